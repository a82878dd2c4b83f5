//! What the GPU backend sums over many steps: velocities, angular momenta, chains, strain, work. Each of these tests fails when
//! these numbers are f32, which the low words of pairs of f32 do not prevent: compilers take them away.

use super::*;

use vitrion_shaders::protocol::section::{ANGULAR_MOMENTUM, SECTIONS, VELOCITY};

/// Nitrates and ions that neither attract nor repel each other, with room for 3.2 A and a skin.
fn free(nitrates: usize, ions: usize, replicas: usize) -> System {
    let mut force_field = ForceField::load(&workspace().join("configs/force_fields/ckn-rigid.toml")).unwrap();
    force_field.cutoff = CUTOFF;
    force_field.pairs.fill(None);
    for species in &mut force_field.species {
        species.charge = 0.0;
    }
    for kind in &mut force_field.kinds {
        assert!(kind.species.iter().all(|&s| force_field.species[s].charge == 0.0), "{}", kind.name);
    }
    let topology = force_field.topology(&[("nitrate", nitrates), ("K", ions)]).unwrap();
    let cell = Cell::new(DMat3::from_diagonal(DVec3::splat(18.0))).unwrap();
    let mut state = build(&topology, cell, replicas, 3).unwrap();
    assign_velocities(&mut state, &topology, &vec![700.0; replicas], 4);
    System { force_field: Arc::new(force_field), topology: Arc::new(topology), state }
}

/// The coarsest mesh: nothing is on it.
fn on_gpu_without_charges(system: &System) -> GpuBackend {
    let reciprocal = Reciprocal::Pme { order: 4, grid: [8; 3] };
    let parameters = ElectrostaticsParameters { cutoff: CUTOFF, alpha: 0.5, reciprocal };
    let options = Options { skin: SKIN, ..Options::default() };
    let state = system.state.clone();
    GpuBackend::new(device(), &system.force_field, &system.topology, parameters, state, options).unwrap()
}

/// Fractions of low words that are not zero: of velocities, and of angular momenta of rigid bodies.
fn low_words_alive(backend: &mut GpuBackend, system: &System) -> [f64; 2] {
    let words: Vec<[u32; 4]> = backend.system().read("bodies").unwrap();
    let n = system.topology.n_bodies();
    let rigid: Vec<usize> = (0..n).filter(|&b| system.topology.bodies[b].rigid_kind.is_some()).collect();
    let all: Vec<usize> = (0..n).collect();
    [(VELOCITY, &all), (ANGULAR_MOMENTUM, &rigid)].map(|(section, bodies)| {
        let of_replica = |first: usize| bodies.iter().map(move |body| first + section as usize * n + body);
        let places = (0..system.state.n_replicas).flat_map(|r| of_replica(r * SECTIONS as usize * n));
        // The low 16 bits: where the number is an f32 they are zero.
        let alive: Vec<bool> =
            places.flat_map(|place| [0, 1, 2].map(|axis| words[place][axis] & 0xffff != 0)).collect();
        alive.iter().filter(|&&alive| alive).count() as f64 / alive.len() as f64
    })
}

/// In thermal equilibrium a velocity of 5 A/ps as an f32 is a multiple of 2^-21 A/ps, 2^19 units; an angular momentum of 200 u A^2/ps one
/// of 2^-16, 2^16 units.
#[test]
fn low_words_are_alive_after_a_thousand_steps() {
    let system = system("ckn66", 2);
    let mut backend = gpu(&system, system.state.clone(), None);
    backend.begin_stage(&ramped(Ensemble::Npt, 0.002, 0, 2), &Sampling::default()).unwrap();
    backend.advance(1000, &mut Discard).unwrap();
    let alive = low_words_alive(&mut backend, &system);
    println!("low words that are not zero: {alive:?}");
    // A word of sixteen random bits is zero once in 65,536.
    assert!(alive.into_iter().all(|fraction| fraction > 0.99), "{alive:?}");
    let is_f32 = |x: f64| f64::from(x as f32) == x;
    for (replica, extended) in backend.state().extended.iter().enumerate() {
        for chain in [&extended.translation, &extended.rotation, &extended.barostat] {
            assert!(chain.eta.iter().any(|&x| !is_f32(x)), "{chain:?}");
            assert!(chain.eta_velocity.iter().any(|&x| !is_f32(x)), "{chain:?}");
        }
        assert!(!is_f32(extended.strain_rate), "{extended:?}");
        // The set points of the first do not move.
        assert_eq!(extended.set_point_work == 0.0, replica == 0);
        assert!(replica == 0 || !is_f32(extended.set_point_work), "{extended:?}");
    }
}

/// The energy of free rotors is that of the CPU's f64 (the splitting of the rotation makes both wander by 1e-4 kT). In plain f32 an angular
/// momentum loses 6e-8 of itself in each of five turns a step, at random.
#[test]
fn free_rotors_keep_their_energy() {
    const STEPS: u64 = 10_000;
    let system = free(24, 4, 1);
    let mut backend = on_gpu_without_charges(&system);
    backend.begin_stage(&ramped(Ensemble::Nve, 0.004, 0, 1), &Sampling::default()).unwrap();
    let energies = |state: &State| -> Vec<f64> {
        let bodies = system.topology.bodies.iter().enumerate();
        bodies
            .filter_map(|(b, body)| {
                let (_, moments) = system.topology.rigid_shape(body)?;
                let l = angular_momentum(state.orientation[b], state.quaternion_momentum[b]);
                Some(0.5 * (l * l / moments).element_sum())
            })
            .collect()
    };
    let mut reference = on_cpu_without_charges(&system);
    reference.begin_stage(&ramped(Ensemble::Nve, 0.004, 0, 1), &Sampling::default()).unwrap();
    let velocities = backend.state().velocity.clone();
    backend.advance(STEPS, &mut Discard).unwrap();
    reference.advance(STEPS, &mut Discard).unwrap();
    let (found, expected) = (energies(backend.state()), energies(reference.state()));
    assert_eq!(found.len(), 24);
    let squares = found.iter().zip(&expected).map(|(a, b)| (a - b).powi(2));
    let error = (squares.sum::<f64>() / found.len() as f64).sqrt() / (BOLTZMANN * 700.0);
    println!("energy of a free rotor after {STEPS} steps: {error:.1e} kT off (RMS)");
    assert!(error < FREE_ROTOR_ERROR, "{error:e}");
    // Nothing pushes them, but for the motion of the centre of mass, which is zero to 1e-7 of a velocity each step.
    for (a, b) in velocities.iter().zip(&backend.state().velocity) {
        assert!(a.distance(*b) < 1e-6, "{a} {b}");
    }
}

/// Turns with f32 angles: an increment, L times some 0.02, is rounded to 6e-8 of itself, five times a step. 1.6e-7 is found, and with f32
/// momenta 2.6e-5.
const FREE_ROTOR_ERROR: f64 = 5e-6;

/// 10^8 steps of 4 fs cooling at 1 K/ns, 50 stretches of which are done, the steps between them jumped over with the work that they would
/// have done at rest: the conserved quantity is that of the same on the CPU in f64. The work is 10^6 u A^2/ps^2 at the start, as
/// after the first part of the ramp of a system of the paper's size, where an f32 can only be a multiple of 1/16, and a step's
/// share is 1e-4.
#[test]
fn ramp_of_a_hundred_million_steps_keeps_its_conserved_quantity() {
    const STEPS: u64 = 100_000_000;
    const STRETCHES: u64 = 50;
    const STRETCH: u64 = 40;
    let dt = 0.004;
    let mut system = free(10, 4, 1);
    system.state.extended[0].set_point_work = 1e6;
    system.state.extended[0].translation.eta[0] = 2.0;
    system.state.extended[0].rotation.eta[0] = -1.0;
    let set_point = SetPoint { start: 700.0, rate: -1e-3, start_step: 0 };
    let dynamics = Dynamics { temperature: vec![set_point], ..ramped(Ensemble::Nvt, dt, 0, 1) };
    let degrees =
        [system.topology.translational_degrees_of_freedom(), system.topology.rotational_degrees_of_freedom()];
    let run = |backend: &mut dyn Backend| {
        backend.begin_stage(&dynamics, &Sampling::default()).unwrap();
        // A stage that begins sets the chains to zero.
        backend.set_state(system.state.clone()).unwrap();
        let start = backend.thermo().unwrap()[0].conserved;
        for stretch in 1..=STRETCHES {
            backend.advance(STRETCH, &mut Discard).unwrap();
            let mut state = backend.state().clone();
            let next = stretch * STEPS / STRETCHES;
            let change = BOLTZMANN * (set_point.at(next, dt) - set_point.at(state.step, dt));
            let extended = &mut state.extended[0];
            for (g, chain) in degrees.into_iter().zip([&extended.translation, &extended.rotation]) {
                extended.set_point_work += change * (g * chain.eta[0] + chain.eta[1] + chain.eta[2]);
            }
            state.step = next;
            backend.set_state(state).unwrap();
        }
        let thermo = backend.thermo().unwrap()[0];
        assert!((thermo.target_temperature - 300.0).abs() < 1e-6);
        thermo.conserved - start
    };
    let gpu = run(&mut on_gpu_without_charges(&system));
    let cpu = run(&mut *on_cpu_without_charges(&system));
    println!(
        "conserved quantity after a ramp of {STEPS} steps: GPU {gpu:.4}, CPU {cpu:.4} u A^2/ps^2 (kT is 249 to 582)"
    );
    // kT in f32 (3e-5) times g eta = 130: 4e-3 at either end; 1e-4 is found. With f32 sums, in which the 2,000 steps' shares of 1e-4 are lost, 0.36.
    assert!((gpu - cpu).abs() < 0.02, "{gpu} {cpu}");
}

fn on_cpu_without_charges(system: &System) -> Box<dyn Backend> {
    let reciprocal = Reciprocal::Pme { order: 4, grid: [8; 3] };
    let parameters = ElectrostaticsParameters { cutoff: CUTOFF, alpha: 0.5, reciprocal };
    let kernel = MixedKernel::new(&system.force_field, &system.topology, parameters, SKIN).unwrap();
    let (topology, state) = (Arc::clone(&system.topology), system.state.clone());
    Box::new(
        CpuBackend::new(topology, vec![Box::new(kernel)], parameters, "cpu/mixed".to_owned(), state).unwrap(),
    )
}

/// What is asked for and how many replicas there are leaves every bit of a trajectory alone: streams of the stress take another variant of
/// the kernels.
#[test]
fn sampling_and_the_number_of_replicas_leave_every_bit_alone() {
    const EIGHT: usize = 8;
    let system = system("ckn66", EIGHT);
    let shared = ramped(Ensemble::Nvt, 0.002, 0, EIGHT);
    let run = |state: State, dynamics: &Dynamics, stress_every: Option<u64>| {
        let mut backend = gpu(&system, state, None);
        backend.begin_stage(dynamics, &Sampling { stress_every, window: None }).unwrap();
        backend.advance(60, &mut Discard).unwrap();
        backend.state().clone()
    };
    let all = run(system.state.clone(), &shared, None);
    assert_eq!(run(system.state.clone(), &shared, Some(1)), all, "stress sampled");
    for replica in [0, 5] {
        let alone = Dynamics {
            temperature: vec![shared.temperature[replica]],
            pressure: vec![shared.pressure[replica]],
            ..shared.clone()
        };
        for stress_every in [None, Some(2)] {
            let single = run(replica_of(&system.state, replica), &alone, stress_every);
            assert_eq!(single, replica_of(&all, replica), "replica {replica}, {stress_every:?}");
        }
    }
}

/// Forwards and back: velocities return to minus their start. Steps are short, so that what f32 forces and positions lose does little; f32 velocities
/// would be rounded by 2.4e-7 A/ps (at 5 A/ps) twice a step all the same.
#[test]
fn reversed_motion_returns_to_its_start() {
    const STEPS: u64 = 200;
    let system = system("ckn66", 1);
    let mut backend = gpu(&system, system.state.clone(), None);
    backend.begin_stage(&ramped(Ensemble::Nve, 0.0001, 0, 1), &Sampling::default()).unwrap();
    backend.advance(1, &mut Discard).unwrap();
    let start = backend.state().clone();
    backend.advance(STEPS, &mut Discard).unwrap();
    // By the device's own words: setting a state would build new lists, hence sums in another order.
    let mut words: Vec<[u32; 4]> = backend.system().read("bodies").unwrap();
    let n = system.topology.n_bodies();
    for section in [VELOCITY, ANGULAR_MOMENTUM] {
        for body in 0..n {
            for axis in 0..3 {
                let [low, high] = [0, 1].map(|word| (section as usize + word) * n + body);
                let number = u64::from(words[high][axis]) << 32 | u64::from(words[low][axis]);
                let reversed = number.wrapping_neg();
                words[low][axis] = reversed as u32;
                words[high][axis] = (reversed >> 32) as u32;
            }
        }
    }
    backend.system().write("bodies", 0, &words);
    backend.advance(STEPS, &mut Discard).unwrap();
    let errors =
        start.velocity.iter().zip(&backend.state().velocity).map(|(a, b)| (*a + *b).length_squared());
    let error = (errors.sum::<f64>() / n as f64).sqrt();
    println!(
        "{STEPS} steps forwards and back: velocities {error:.1e} A/ps off (RMS), centres at most {:.1e} A",
        distance(&start, backend.state())
    );
    assert!(error < REVERSAL_ERROR, "{error:e}");
}

/// 5e-7 is found, from f32 forces at positions that are some 1e-8 A apart; with f32 velocities and momenta 2.4e-6.
const REVERSAL_ERROR: f64 = 1.2e-6;

/// The density over a run at constant pressure with the tail is that of the CPU, and not that without it: 264 atoms, 1 ps, in which
/// paths part little.
#[test]
fn density_over_a_run_with_the_tail_is_that_of_the_cpu() {
    let (cpu, gpu) = melts();
    drop(gpu);
    let (state, parameters) = (cpu.state().clone(), cpu.electrostatics());
    let topology = Arc::new(cpu.topology().clone());
    let dynamics = Dynamics {
        temperature: vec![SetPoint { start: 700.0, rate: 0.0, start_step: state.step }],
        pressure: vec![SetPoint { start: ATMOSPHERE, rate: 0.0, start_step: state.step }],
        ..ramped(Ensemble::Npt, 0.002, state.step, 1)
    };
    let formula = system("ckn66", 1);
    let densities = |tail: bool, on_gpu: bool| -> Vec<f64> {
        let mut force_field = ForceField::clone(&formula.force_field);
        (force_field.cutoff, force_field.tail_correction) = (5.5, tail);
        let force_field = Arc::new(force_field);
        let mut backend: Box<dyn Backend> = if on_gpu {
            let options = Options { skin: 0.5, ..Options::default() };
            let gpu = GpuBackend::new(device(), &force_field, &topology, parameters, state.clone(), options);
            Box::new(gpu.unwrap())
        } else {
            let kernel = MixedKernel::new(&force_field, &topology, parameters, 0.5).unwrap();
            let kernels: Vec<Box<dyn ForceKernel>> = vec![Box::new(kernel)];
            let name = "cpu/mixed".to_owned();
            Box::new(
                CpuBackend::new(Arc::clone(&topology), kernels, parameters, name, state.clone()).unwrap(),
            )
        };
        backend.begin_stage(&dynamics, &Sampling::default()).unwrap();
        let mut after = || {
            backend.advance(100, &mut Discard).unwrap();
            topology.total_mass() / backend.state().cells[0].volume()
        };
        (0..5).map(|_| after()).collect()
    };
    let [cpu, gpu, without] = [(true, false), (true, true), (false, false)].map(|(t, g)| densities(t, g));
    println!("density (u/A^3) every 0.2 ps: CPU {cpu:.6?}, GPU {gpu:.6?}, without the tail {without:.6?}");
    for ((cpu, gpu), without) in cpu.iter().zip(&gpu).zip(&without) {
        // Paths are some 1e-5 A apart after 0.1 ps and part tenfold in a picosecond: 1e-4 of the density. The tail makes some 1e-2 of it.
        assert!((cpu - gpu).abs() < 0.05 * (cpu - without).abs(), "{cpu} {gpu} {without}");
    }
}

/// The barostat feels the tail on every backend, and what is printed and streamed is what it feels.
#[test]
fn barostat_feels_the_tail_on_every_backend() {
    const STEPS: u64 = 20;
    for (name, shift) in [("ckn66", Shift::Potential), ("ckn66", Shift::None), ("flex66", Shift::Potential)] {
        let plain = triclinic(&system(name, 2));
        let mut force_field = ForceField::clone(&plain.force_field);
        (force_field.tail_correction, force_field.shift) = (true, shift);
        let tailed = System { force_field: Arc::new(force_field), ..plain.clone() };
        let run = |subject: &Subject, system: &System| {
            let mut backend = started(subject, system, Ensemble::Npt);
            let mut recorder = Recorder::default();
            // The stress is due at every third step.
            backend.advance(STEPS + 1, &mut recorder).unwrap();
            let thermo = backend.thermo().unwrap();
            for (replica, thermo) in thermo.iter().enumerate() {
                let (.., streamed) = recorder.of(replica).stress.last().copied().unwrap();
                let scale = BOLTZMANN * 700.0 * 66.0 / thermo.volume;
                let error = (streamed - thermo.pressure_tensor).to_cols_array();
                let largest = error.into_iter().map(f64::abs).fold(0.0, f64::max) / scale;
                // As in `stream_holds_the_pressure_of_its_step`.
                assert!(largest < 2e-4, "{} {name}: {largest:e}", subject.name);
            }
            (backend.state().clone(), thermo)
        };
        let (cpu, of_cpu) = run(&SUBJECTS[0], &tailed);
        let (gpu, of_gpu) = run(&SUBJECTS[1], &tailed);
        let (without, _) = run(&SUBJECTS[1], &plain);
        for replica in 0..2 {
            let rate = |state: &State| state.extended[replica].strain_rate;
            let error = (rate(&gpu) - rate(&cpu)).abs();
            let effect = (rate(&without) - rate(&cpu)).abs();
            println!("{name} {shift:?}: strain rate {:.6e}, {error:.1e} off, tail {effect:.1e}", rate(&cpu));
            // The virial is a sum of f32 terms a hundred times as large as itself: 1e-5. The tail is 1e3 times that.
            assert!(error < 1e-3 * effect, "{name} {shift:?}: {error:e} {effect:e}");
            let (a, b) = (&of_cpu[replica], &of_gpu[replica]);
            assert!((a.volume / b.volume - 1.0).abs() < 1e-6, "{} {}", a.volume, b.volume);
        }
        let apart = distance(&cpu, &gpu);
        assert!(apart < 1e-4, "{name} {shift:?}: {apart:e} A");
    }
}

/// A momentum that leaves its range at the end of a step: the step does not count, its body is named, and it fails there again.
#[test]
fn trouble_at_the_end_of_a_step_does_not_count_it() {
    let mut system = system("ckn66", 2);
    let masses: Vec<f64> = system.topology.bodies.iter().map(|body| body.mass).collect();
    let n = masses.len();
    // Two ions of one kind in the second replica, against each other: 32,000 u A/ps, up to 32,768 fit.
    let [a, b] = [n - 2, n - 1];
    assert_eq!(masses[a], masses[b]);
    for (body, sign) in [(a, 1.0), (b, -1.0)] {
        system.state.velocity[n + body] = DVec3::new(sign * 32_000.0 / masses[a], 0.0, 0.0);
    }
    // A thermostat of 1e9 K that lets them grow by some 2.4 % in twenty steps; so short a step moves them by 0.01 A.
    let hot = SetPoint { start: 1e9, rate: 0.0, start_step: 0 };
    let dynamics =
        Dynamics { temperature: vec![hot; 2], thermostat_period: 1e-3, ..ramped(Ensemble::Nvt, 1e-5, 0, 2) };
    let run = |chunk| {
        let mut backend = gpu_in_chunks(&system, system.state.clone(), None, Some(chunk));
        backend.begin_stage(&dynamics, &Sampling::default()).unwrap();
        let error = backend.advance(200, &mut Discard).unwrap_err();
        println!("chunks of {chunk}: {error}");
        let BackendError::NotFinite { replica: 1, step, body } = error else { panic!("{error}") };
        assert_eq!(body, a);
        assert!(step > 2, "{step}");
        assert_eq!(backend.state().step, step - 1);
        assert_eq!(backend.advance(1, &mut Discard).unwrap_err(), error);
        (step, backend.state().clone())
    };
    let expected = run(200);
    assert_eq!(run(3), expected);
}

/// A material without charges or molecules: 216 atoms like argon (eps/k = 119.8 K, sigma = 3.405 A; Rahman 1964,
/// doi:10.1103/PhysRev.136.A405) as a wall of exponentials with its dispersion 4 eps sigma^6, liquid, at constant pressure with the tail.
#[test]
fn argon_moves_and_swells_as_on_the_cpu() {
    let mut system = free(0, 216, 2);
    let mut force_field = ForceField::clone(&system.force_field);
    let potassium = force_field.species.iter().position(|species| species.name == "K").unwrap();
    let (epsilon, sigma) = (BOLTZMANN * 119.8, 3.405f64);
    let place = potassium * force_field.species.len() + potassium;
    // A exp((sigma - r)/rho) = C/r^6 at sigma, as Lennard-Jones has it.
    force_field.pairs[place] = Some(BornMayerHuggins {
        amplitude: 4.0 * epsilon,
        sigma,
        rho: 0.28,
        dispersion6: 4.0 * epsilon * sigma.powi(6),
        dispersion8: 0.0,
    });
    (force_field.cutoff, force_field.shift, force_field.tail_correction) = (8.0, Shift::Potential, true);
    system.force_field = Arc::new(force_field);
    let cell = Cell::new(DMat3::from_diagonal(DVec3::splat(21.5))).unwrap();
    system.state = build(&system.topology, cell, 2, 7).unwrap();
    assign_velocities(&mut system.state, &system.topology, &[95.0; 2], 8);
    let dynamics = Dynamics {
        temperature: vec![SetPoint { start: 95.0, rate: 0.0, start_step: 0 }; 2],
        pressure: vec![SetPoint { start: 100.0 * ATMOSPHERE, rate: 0.0, start_step: 0 }; 2],
        ..ramped(Ensemble::Npt, 0.004, 0, 2)
    };
    let reciprocal = Reciprocal::Pme { order: 4, grid: [8; 3] };
    let parameters = ElectrostaticsParameters { cutoff: 8.0, alpha: 0.5, reciprocal };
    let (force_field, topology, state) = (&system.force_field, &system.topology, &system.state);
    let kernel = || {
        Box::new(MixedKernel::new(force_field, topology, parameters, SKIN).unwrap()) as Box<dyn ForceKernel>
    };
    let name = "cpu/mixed".to_owned();
    let kernels = vec![kernel(), kernel()];
    let cpu = CpuBackend::new(Arc::clone(topology), kernels, parameters, name, state.clone()).unwrap();
    let options = Options { skin: SKIN, ..Options::default() };
    let gpu = GpuBackend::new(device(), force_field, topology, parameters, state.clone(), options).unwrap();
    let mut backends: [Box<dyn Backend>; 2] = [Box::new(cpu), Box::new(gpu)];
    for backend in &mut backends {
        backend.begin_stage(&dynamics, &Sampling::default()).unwrap();
        backend.advance(100, &mut Discard).unwrap();
    }
    let [cpu, gpu] = &mut backends;
    let apart = distance(cpu.state(), gpu.state());
    let moved = distance(cpu.state(), &system.state);
    for (a, b) in cpu.thermo().unwrap().iter().zip(&gpu.thermo().unwrap()) {
        let swollen = a.volume / system.state.cells[0].volume() - 1.0;
        let volumes = a.volume / b.volume - 1.0;
        let conserved = (a.conserved - b.conserved) / a.kinetic_energy;
        println!(
            "argon: {apart:.1e} A apart after {moved:.2} A; volume {swollen:+.1e}, {volumes:.1e} apart; {conserved:.1e}"
        );
        // Forces in f32, 1e-6 of some 1e3 u A/ps^2: F t^2/2m = 2e-6 A after 0.4 ps, and tenfold where atoms collide.
        assert!(swollen.abs() > 1e-3 && volumes.abs() < 1e-6 && conserved.abs() < 1e-4);
    }
    assert!(moved > 0.3 && apart < 1e-4, "{apart:e} {moved}");
}
