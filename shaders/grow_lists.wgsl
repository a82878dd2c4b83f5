// Copies all neighbour lists into longer ones.

@group(0) @binding(0) var<storage, read> tables: array<u32>;
@group(0) @binding(1) var<storage, read> old_lists: array<u32>;
@group(0) @binding(2) var<storage, read_write> lists: array<u32>;

@compute @workgroup_size(256)
fn grow_lists(
    @builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) thread: u32,
) {
    let old_words = arrayLength(&old_lists) / (tables[N_REPLICAS] * N_MOLECULES);
    let words = 1u + tables[LIST_CAPACITY];
    for (var molecule = group.x; molecule < N_MOLECULES; molecule += groups.x) {
        let row = group.y * N_MOLECULES + molecule;
        for (var k = thread; k < min(old_words, words); k += 256u) {
            lists[row * words + k] = old_lists[row * old_words + k];
        }
    }
}
