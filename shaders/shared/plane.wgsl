// A plane of the mesh in workgroup memory. Charges are added up there as integers, afterwards the same words hold reals.

var<workgroup> words: array<atomic<i32>, WORDS>;
// Atoms of one chunk whose splines reach this plane.
var<workgroup> chosen: array<u32, 256>;
var<workgroup> n_chosen: atomic<u32>;
var<workgroup> run_flags: u32;

fn get_real(index: u32) -> f32 {
    return bitcast<f32>(atomicLoad(&words[index]));
}

fn put_real(index: u32, x: f32) {
    atomicStore(&words[index], bitcast<i32>(x));
}

fn get_complex(place: u32) -> vec2<f32> {
    return vec2(get_real(2u * place), get_real(2u * place + 1u));
}

fn put_complex(place: u32, x: vec2<f32>) {
    put_real(2u * place, x.x);
    put_real(2u * place + 1u, x.y);
}

// Puts the atoms of the chunk from `first` on that reach plane `plane` into `chosen`; the order does not matter, since what
// follows adds integers.
fn choose_atoms(replica: u32, first: u32, plane: u32, thread: u32) {
    workgroupBarrier();
    if thread == 0u {
        atomicStore(&n_chosen, 0u);
    }
    workgroupBarrier();
    let atom = first + thread;
    if atom < N_ATOMS {
        let point = mesh_coordinate(atoms[atom_now(replica, atom)].x, GRID_X).point;
        if (plane + GRID_X - point) % GRID_X < ORDER {
            chosen[atomicAdd(&n_chosen, 1u)] = atom;
        }
    }
    workgroupBarrier();
}

// Two rows of the plane share one complex line: row 2l is its real part, row 2l + 1 its imaginary part.
fn plane_word(y: u32, z: u32) -> u32 {
    return ((y >> 1u) * (GRID_Z + 2u) + z) * 2u + (y & 1u);
}

// Complex place of wave k_z of row y: each pair of places k, n - k of a line holds wave k of both its rows, and two places
// beyond the line those of wave 0 and n/2 of the second.
fn wave_place(y: u32, kz: u32) -> u32 {
    let line = (y >> 1u) * (GRID_Z + 2u);
    if (y & 1u) == 0u {
        return line + place_z(kz);
    }
    if kz == 0u {
        return line + GRID_Z;
    }
    if 2u * kz == GRID_Z {
        return line + GRID_Z + 1u;
    }
    return line + place_z(GRID_Z - kz);
}
