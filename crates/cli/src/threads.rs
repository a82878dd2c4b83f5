//! How many threads compute: what the user says, else what the system and the batch system grant.

use std::num::NonZeroUsize;

use anyhow::{Context, Result};

/// Sets the number of threads of everything that computes, once. Returns words for the user where a variable of the environment
/// takes fewer than the system grants.
///
/// `asked` is that of the command line. Without it, `RAYON_NUM_THREADS` counts if it is set; else the smallest of the processors that
/// the system lets the process use (affinity and control groups), `SLURM_CPUS_PER_TASK` and `OMP_NUM_THREADS`: batch systems that confine
/// no process set the variables, and a neighbour's processors are not ours.
pub fn set(asked: Option<NonZeroUsize>) -> Result<Option<String>> {
    let variable = |name: &str| std::env::var(name).ok();
    let granted = std::thread::available_parallelism().map_or(1, NonZeroUsize::get);
    let limit = if asked.is_some() || variable("RAYON_NUM_THREADS").is_some() {
        None
    } else {
        limit(granted, &variable)
    };
    let Some(threads) = asked.map(NonZeroUsize::get).or(limit.map(|(threads, _)| threads)) else {
        return Ok(None);
    };
    rayon::ThreadPoolBuilder::new()
        .num_threads(threads)
        .build_global()
        .context("cannot start the threads; ask for fewer with --threads")?;
    Ok(limit.map(|(threads, name)| {
        let noun = if threads == 1 { "thread" } else { "threads" };
        format!("{threads} {noun}, as {name} says; {granted} processors are granted (--threads N takes another number)")
    }))
}

/// The variable that asks for the fewest threads, if those are fewer than `granted`.
fn limit(granted: usize, variable: &dyn Fn(&str) -> Option<String>) -> Option<(usize, &'static str)> {
    ["SLURM_CPUS_PER_TASK", "OMP_NUM_THREADS"]
        .into_iter()
        .filter_map(|name| {
            // OpenMP allows a number for each level of nesting, `4,2`: the outermost is the first.
            let text = variable(name)?;
            let threads = text.split(',').next()?.trim().parse::<NonZeroUsize>().ok()?;
            Some((threads.get(), name))
        })
        .min_by_key(|(threads, _)| *threads)
        .filter(|(threads, _)| *threads < granted)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_batch_system_limits_the_threads_and_never_adds_any() {
        let with = |slurm: &str, omp: &str| {
            let variable = |name: &str| {
                let value = if name == "OMP_NUM_THREADS" { omp } else { slurm };
                (!value.is_empty()).then(|| value.to_owned())
            };
            limit(8, &variable)
        };
        assert_eq!(with("", ""), None);
        assert_eq!(with("4", ""), Some((4, "SLURM_CPUS_PER_TASK")));
        assert_eq!(with("4", "2,1"), Some((2, "OMP_NUM_THREADS")));
        assert_eq!(with("1", "2"), Some((1, "SLURM_CPUS_PER_TASK")));
        // As many as there are, more, and what is no number.
        for value in ["8", "64", "0", "-1", "many"] {
            assert_eq!(with(value, value), None, "{value}");
        }
    }
}
