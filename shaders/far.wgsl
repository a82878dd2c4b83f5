// Third dispatch: the potential on each plane of the mesh, and from it the reciprocal forces. An atom's force is the sum of what
// the planes that its spline reaches give it, added up as integers of 1/FORCE_UNITS u A/ps^2.

@group(0) @binding(0) var<storage, read> tables: array<u32>;
@group(0) @binding(1) var<storage, read_write> replicas: array<Replica>;
@group(0) @binding(2) var<storage, read> atoms: array<vec4<i32>>;
@group(0) @binding(3) var<storage, read> mesh: array<vec2<f32>>;
@group(0) @binding(4) var<storage, read_write> reciprocal_forces: array<atomic<i32>>;

@compute @workgroup_size(256)
fn far(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) thread: u32) {
    let replica = group.y;
    let plane = group.x;
    if thread == 0u {
        // Another workgroup of this dispatch may raise FORCE_RANGE while this one begins.
        let trouble = (atomicLoad(&replicas[replica].status) & ~FORCE_RANGE) | replicas[replica].standing;
        let runs = trouble == 0u && (replicas[replica].phase == MID_STEP || tables[COMMAND] == EVALUATE);
        run_flags = select(0u, 1u, runs);
    }
    if workgroupUniformLoad(&run_flags) == 0u {
        return;
    }
    waves_to_potential(replica, plane, thread);
    for (var first = 0u; first < N_ATOMS; first += 256u) {
        choose_atoms(replica, first, plane, thread);
        if thread < atomicLoad(&n_chosen) {
            gather(replica, plane, chosen[thread]);
        }
    }
}

fn waves_to_potential(replica: u32, plane: u32, thread: u32) {
    let base = (replica * GRID_X + plane) * GRID_Y * HALF_Z;
    for (var task = thread; task < HALF_Z * Y_A; task += 256u) {
        let kz = task % HALF_Z;
        let a = task / HALF_Z;
        var x: array<vec2<f32>, Y_B>;
        for (var b = 0u; b < Y_B; b++) {
            x[b] = mesh[base + (a + Y_A * b) * HALF_Z + kz];
        }
        inverse_y_b(&x);
        for (var b = 0u; b < Y_B; b++) {
            put_complex(wave_place(Y_B * a + b, kz), multiply_conjugate(x[b], twiddle(TWIDDLES_Y, a * b)));
        }
    }
    workgroupBarrier();
    for (var task = thread; task < HALF_Z * Y_B; task += 256u) {
        let kz = task % HALF_Z;
        let b = task / HALF_Z;
        var x: array<vec2<f32>, Y_A>;
        for (var a = 0u; a < Y_A; a++) {
            x[a] = get_complex(wave_place(Y_B * a + b, kz));
        }
        inverse_y_a(&x);
        for (var a = 0u; a < Y_A; a++) {
            put_complex(wave_place(Y_B * a + b, kz), x[a]);
        }
    }
    workgroupBarrier();
    // Two rows into one line: Z(k) = A(k) + i B(k), Z(n - k) = A*(k) + i B*(k).
    for (var task = thread; task < (GRID_Y / 2u) * HALF_Z; task += 256u) {
        let row = 2u * (task / HALF_Z);
        let kz = task % HALF_Z;
        let line = (row >> 1u) * (GRID_Z + 2u);
        let one = get_complex(wave_place(row, kz));
        let two = get_complex(wave_place(row + 1u, kz));
        if kz == 0u || 2u * kz == GRID_Z {
            put_complex(line + place_z(kz), vec2(one.x, two.x));
        } else {
            put_complex(line + place_z(kz), vec2(one.x - two.y, one.y + two.x));
            put_complex(line + place_z(GRID_Z - kz), vec2(one.x + two.y, two.x - one.y));
        }
    }
    workgroupBarrier();
    for (var task = thread; task < (GRID_Y / 2u) * Z_A; task += 256u) {
        let a = task % Z_A;
        let start = (task / Z_A) * (GRID_Z + 2u) + Z_B * a;
        var x: array<vec2<f32>, Z_B>;
        for (var b = 0u; b < Z_B; b++) {
            x[b] = get_complex(start + b);
        }
        inverse_z_b(&x);
        for (var b = 0u; b < Z_B; b++) {
            put_complex(start + b, multiply_conjugate(x[b], twiddle(TWIDDLES_Z, a * b)));
        }
    }
    workgroupBarrier();
    for (var task = thread; task < (GRID_Y / 2u) * Z_B; task += 256u) {
        let line = (task / Z_B) * (GRID_Z + 2u);
        let b = task % Z_B;
        var x: array<vec2<f32>, Z_A>;
        for (var a = 0u; a < Z_A; a++) {
            x[a] = get_complex(line + Z_B * a + b);
        }
        inverse_z_a(&x);
        for (var a = 0u; a < Z_A; a++) {
            put_complex(line + Z_B * a + b, x[a]);
        }
    }
}

// The share of this plane in the force on one atom.
fn gather(replica: u32, plane: u32, atom: u32) {
    let position = atoms[atom_now(replica, atom)];
    let x = mesh_coordinate(position.x, GRID_X);
    let y = mesh_coordinate(position.y, GRID_Y);
    let z = mesh_coordinate(position.z, GRID_Z);
    var weight_x = spline_weights(x.offset);
    var slope_x = spline_slopes(x.offset);
    var weight_y = spline_weights(y.offset);
    var slope_y = spline_slopes(y.offset);
    var weight_z = spline_weights(z.offset);
    var slope_z = spline_slopes(z.offset);
    let j = (plane + GRID_X - x.point) % GRID_X;
    var potential = 0.0;
    var along_y = 0.0;
    var along_z = 0.0;
    for (var row = 0u; row < ORDER; row++) {
        let mesh_row = (y.point + row) % GRID_Y;
        var value = 0.0;
        var slope = 0.0;
        for (var k = 0u; k < ORDER; k++) {
            let phi = get_real(plane_word(mesh_row, (z.point + k) % GRID_Z));
            value = fma(weight_z[k], phi, value);
            slope = fma(slope_z[k], phi, slope);
        }
        potential = fma(weight_y[row], value, potential);
        along_y = fma(slope_y[row], value, along_y);
        along_z = fma(weight_y[row], slope, along_z);
    }
    let slopes = vec3(slope_x[j] * potential, weight_x[j] * along_y, weight_x[j] * along_z)
        * vec3(f32(GRID_X), f32(GRID_Y), f32(GRID_Z));
    let gradient = columns3(replicas[replica].reciprocal[0].xyz, replicas[replica].reciprocal[1].xyz,
        replicas[replica].reciprocal[2].xyz, slopes);
    let force = -FORCE_UNITS * table_float(ATOM_CHARGES + atom) * gradient;
    if any_reaches(force, FORCE_LIMIT) {
        atomicOr(&replicas[replica].status, FORCE_RANGE);
        atomicMin(&replicas[replica].strong_atom, atom);
        return;
    }
    let place = 3u * (replica * N_ATOMS + atom);
    atomicAdd(&reciprocal_forces[place], i32(round(force.x)));
    atomicAdd(&reciprocal_forces[place + 1u], i32(round(force.y)));
    atomicAdd(&reciprocal_forces[place + 2u], i32(round(force.z)));
}
