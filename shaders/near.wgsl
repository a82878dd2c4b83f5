// First dispatch of a force evaluation: charges to the planes of the mesh, and pair forces. The two are independent, and in one
// dispatch they run side by side. Workgroup x < GRID_X is a plane of constant x; the others hold eight molecules each.

@group(0) @binding(0) var<storage, read> tables: array<u32>;
@group(0) @binding(1) var<storage, read_write> replicas: array<Replica>;
// Fixed-point positions of each replica now, then those from which its lists were built.
@group(0) @binding(2) var<storage, read_write> atoms: array<vec4<i32>>;
// Each molecule's number of entries, then the entries.
@group(0) @binding(3) var<storage, read_write> lists: array<u32>;
@group(0) @binding(4) var<storage, read_write> forces: array<f32>;
@group(0) @binding(5) var<storage, read_write> mesh: array<vec2<f32>>;
@group(0) @binding(6) var<storage, read_write> partials: array<f32>;

@compute @workgroup_size(256)
fn near(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) thread: u32) {
    let replica = group.y;
    if thread == 0u {
        // One thread asks for all, and for what earlier dispatches have raised: another workgroup of this one may raise LIST_FULL or
        // CLOSE_PAIR while this one begins.
        let trouble = (atomicLoad(&replicas[replica].status) & ~(LIST_FULL | CLOSE_PAIR)) | replicas[replica].standing;
        let runs = trouble == 0u && (replicas[replica].phase == MID_STEP || tables[COMMAND] == EVALUATE);
        run_flags = select(0u, 1u + replicas[replica].rebuild, runs);
    }
    let flags = workgroupUniformLoad(&run_flags);
    if flags == 0u {
        return;
    }
    if group.x < GRID_X {
        charges_to_plane(replica, group.x, thread);
    } else {
        pair_forces(replica, (group.x - GRID_X) * TEAMS + thread / TEAM, thread, flags == 2u);
    }
}

// ---- charges to one plane of the mesh, and its transform along z and y

fn charges_to_plane(replica: u32, plane: u32, thread: u32) {
    for (var index = thread; index < PLANE_WORDS; index += 256u) {
        atomicStore(&words[index], 0);
    }
    for (var first = 0u; first < N_ATOMS; first += 256u) {
        choose_atoms(replica, first, plane, thread);
        let rows = atomicLoad(&n_chosen) * ORDER;
        for (var task = thread; task < rows; task += 256u) {
            spread_row(replica, plane, chosen[task / ORDER], task % ORDER);
        }
    }
    workgroupBarrier();
    // z, first pass: the charges become reals on the way.
    for (var task = thread; task < (GRID_Y / 2u) * Z_B; task += 256u) {
        let line = (task / Z_B) * (GRID_Z + 2u);
        let b = task % Z_B;
        var x: array<vec2<f32>, Z_A>;
        for (var a = 0u; a < Z_A; a++) {
            let word = 2u * (line + Z_B * a + b);
            x[a] = vec2(f32(atomicLoad(&words[word])), f32(atomicLoad(&words[word + 1u]))) * CHARGE_UNIT;
        }
        transform_z_a(&x);
        for (var a = 0u; a < Z_A; a++) {
            put_complex(line + Z_B * a + b, multiply(x[a], twiddle(TWIDDLES_Z, a * b)));
        }
    }
    workgroupBarrier();
    for (var task = thread; task < (GRID_Y / 2u) * Z_A; task += 256u) {
        let start = (task / Z_A) * (GRID_Z + 2u) + Z_B * (task % Z_A);
        var x: array<vec2<f32>, Z_B>;
        for (var b = 0u; b < Z_B; b++) {
            x[b] = get_complex(start + b);
        }
        transform_z_b(&x);
        for (var b = 0u; b < Z_B; b++) {
            put_complex(start + b, x[b]);
        }
    }
    workgroupBarrier();
    // The waves of a line's two rows: F(k) = (Z(k) + Z*(n-k))/2 and (Z(k) - Z*(n-k))/2i.
    for (var task = thread; task < (GRID_Y / 2u) * HALF_Z; task += 256u) {
        let row = 2u * (task / HALF_Z);
        let kz = task % HALF_Z;
        let line = (row >> 1u) * (GRID_Z + 2u);
        let here = get_complex(line + place_z(kz));
        let there = get_complex(line + place_z((GRID_Z - kz) % GRID_Z));
        put_complex(wave_place(row, kz), 0.5 * vec2(here.x + there.x, here.y - there.y));
        put_complex(wave_place(row + 1u, kz), 0.5 * vec2(here.y + there.y, there.x - here.x));
    }
    workgroupBarrier();
    for (var task = thread; task < HALF_Z * Y_B; task += 256u) {
        let kz = task % HALF_Z;
        let b = task / HALF_Z;
        var x: array<vec2<f32>, Y_A>;
        for (var a = 0u; a < Y_A; a++) {
            x[a] = get_complex(wave_place(Y_B * a + b, kz));
        }
        transform_y_a(&x);
        for (var a = 0u; a < Y_A; a++) {
            put_complex(wave_place(Y_B * a + b, kz), multiply(x[a], twiddle(TWIDDLES_Y, a * b)));
        }
    }
    workgroupBarrier();
    let base = (replica * GRID_X + plane) * GRID_Y * HALF_Z;
    for (var task = thread; task < HALF_Z * Y_A; task += 256u) {
        let kz = task % HALF_Z;
        let a = task / HALF_Z;
        var x: array<vec2<f32>, Y_B>;
        for (var b = 0u; b < Y_B; b++) {
            x[b] = get_complex(wave_place(Y_B * a + b, kz));
        }
        transform_y_b(&x);
        for (var b = 0u; b < Y_B; b++) {
            mesh[base + (a + Y_A * b) * HALF_Z + kz] = x[b];
        }
    }
}

// One row of one atom's spline.
fn spread_row(replica: u32, plane: u32, atom: u32, row: u32) {
    let position = atoms[atom_now(replica, atom)];
    let x = mesh_coordinate(position.x, GRID_X);
    let y = mesh_coordinate(position.y, GRID_Y);
    let z = mesh_coordinate(position.z, GRID_Z);
    let charge = table_float(ATOM_CHARGES + atom);
    var along_x = spline_weights(x.offset);
    var along_y = spline_weights(y.offset);
    var along_z = spline_weights(z.offset);
    let factor = charge / CHARGE_UNIT * along_x[(plane + GRID_X - x.point) % GRID_X] * along_y[row];
    let mesh_row = (y.point + row) % GRID_Y;
    for (var k = 0u; k < ORDER; k++) {
        atomicAdd(&words[plane_word(mesh_row, (z.point + k) % GRID_Z)], i32(round(factor * along_z[k])));
    }
}

// ---- pair forces: a team of 32 lanes a molecule

fn relative(fixed: vec3<i32>, edge_a: vec3<f32>, edge_b: vec3<f32>, edge_c: vec3<f32>) -> vec3<f32> {
    let d = vec3<f32>(fixed);
    return fma(vec3(d.z), edge_c, fma(vec3(d.y), edge_b, d.x * edge_a));
}

struct PairSums {
    short_range: f32,
    coulomb: f32,
    // xx, yy, zz, then xy, xz, yz.
    short_range_diagonal: vec3<f32>,
    short_range_off: vec3<f32>,
    coulomb_diagonal: vec3<f32>,
    coulomb_off: vec3<f32>,
}

fn pair_forces(replica: u32, molecule_index: u32, thread: u32, rebuild: bool) {
    let lane = thread % TEAM;
    let exists = molecule_index < N_MOLECULES;
    let molecule = min(molecule_index, N_MOLECULES - 1u);
    let first = tables[MOLECULES + 4u * molecule];
    let size = tables[MOLECULES + 4u * molecule + 1u];
    let kind = tables[MOLECULES + 4u * molecule + 2u];
    let edge_a = replicas[replica].edges[0].xyz;
    let edge_b = replicas[replica].edges[1].xyz;
    let edge_c = replicas[replica].edges[2].xyz;
    let base = replica * N_ATOMS;
    let origin = atoms[atom_now(replica, first)].xyz;
    var arms: array<vec3<f32>, LARGEST_MOLECULE>;
    for (var m = 0u; m < LARGEST_MOLECULE; m++) {
        arms[m] = relative(atoms[atom_now(replica, first + min(m, size - 1u))].xyz - origin, edge_a, edge_b, edge_c);
    }
    let list = (replica * N_MOLECULES + molecule) * (1u + tables[LIST_CAPACITY]);
    if rebuild {
        build_list(replica, molecule, exists, list, first, size, &arms, lane, thread / TEAM);
    }
    var sums: PairSums;
    var force: array<vec3<f32>, LARGEST_MOLECULE>;
    let entries = select(0u, min(lists[list], tables[LIST_CAPACITY]), exists);
    for (var index = lane; index < entries; index += TEAM) {
        let other = lists[list + 1u + index];
        let there = relative(atoms[atom_now(replica, other)].xyz - origin, edge_a, edge_b, edge_c);
        let other_species = tables[ATOM_SPECIES + other];
        for (var m = 0u; m < size; m++) {
            let species = tables[ATOM_SPECIES + first + m];
            let d = arms[m] - there;
            let f = pair_force(d, (species * N_SPECIES + other_species) * PAIR_WORDS + PAIRS, &sums);
            force[m] = fma(vec3(f.x), d, force[m]);
            if f.y != 0.0 {
                atomicOr(&replicas[replica].status, CLOSE_PAIR);
                atomicMin(&replicas[replica].close_pair, (first + m) * N_SPECIES + other_species);
            }
        }
    }
    var within: Intramolecular;
    if FLEXIBLE && lane == 0u && exists {
        intramolecular(kind, first, size, &arms, &force, &within);
    }
    for (var m = 0u; m < LARGEST_MOLECULE; m++) {
        put_real((3u * m) * STRIDE + thread, force[m].x);
        put_real((3u * m + 1u) * STRIDE + thread, force[m].y);
        put_real((3u * m + 2u) * STRIDE + thread, force[m].z);
    }
    workgroupBarrier();
    let team_start = thread - lane;
    for (var component = lane; component < 3u * LARGEST_MOLECULE; component += TEAM) {
        let total = team_sum(component, team_start);
        if exists && component / 3u < size {
            forces[(base + first + component / 3u) * 4u + component % 3u] = total;
        }
    }
    if VIRIAL {
        // Half of each pair belongs to either molecule.
        var first_half = array<f32, 12>(
            0.5 * sums.short_range, 0.5 * sums.coulomb, within.excluded, within.bond, within.angle, within.improper,
            0.5 * sums.short_range_diagonal.x, 0.5 * sums.short_range_diagonal.y, 0.5 * sums.short_range_diagonal.z,
            0.5 * sums.short_range_off.x, 0.5 * sums.short_range_off.y, 0.5 * sums.short_range_off.z);
        let coulomb_diagonal = 0.5 * sums.coulomb_diagonal + within.excluded_diagonal;
        let coulomb_off = 0.5 * sums.coulomb_off + within.excluded_off;
        var second_half = array<f32, 12>(
            coulomb_diagonal.x, coulomb_diagonal.y, coulomb_diagonal.z, coulomb_off.x, coulomb_off.y, coulomb_off.z,
            within.bonded_diagonal.x, within.bonded_diagonal.y, within.bonded_diagonal.z,
            within.bonded_off.x, within.bonded_off.y, within.bonded_off.z);
        let place = replica * PARTIAL_WORDS + molecule * MOLECULE_PARTIALS;
        for (var half = 0u; half < 2u; half++) {
            workgroupBarrier();
            for (var k = 0u; k < 12u; k++) {
                put_real(k * STRIDE + thread, select(first_half[k], second_half[k], half == 1u));
            }
            workgroupBarrier();
            if lane < 12u && exists {
                partials[place + half * 12u + lane] = team_sum(lane, team_start);
            }
        }
    }
}

// Always in this order: the bits depend on the list alone.
fn team_sum(component: u32, team_start: u32) -> f32 {
    var sums = vec4(0.0);
    let start = component * STRIDE + team_start;
    for (var k = 0u; k < TEAM; k += 4u) {
        sums += vec4(get_real(start + k), get_real(start + k + 1u), get_real(start + k + 2u), get_real(start + k + 3u));
    }
    return (sums.x + sums.y) + (sums.z + sums.w);
}

// Force over distance for two atoms at distance vector `d`; the second number is 1 where they are inside the inner maximum of
// their potential. The two terms are added before they are divided by r^2: a product that is added bare may be fused or not, by
// how often it is used, and forces would have other bits where energies are asked for too.
fn pair_force(d: vec3<f32>, entry: u32, sums: ptr<function, PairSums>) -> vec2<f32> {
    var r2 = dot3(d, d);
    if SOFT {
        // Coinciding atoms have no direction: they feel no force, rather than NaN.
        r2 = max(r2, 1e-6);
    }
    if r2 >= max(SHORT_RANGE_CUTOFF_2, COULOMB_CUTOFF_2) {
        return vec2(0.0);
    }
    let inverse = inverseSqrt(r2);
    let inverse2 = inverse * inverse;
    let r = r2 * inverse;
    // Born-Mayer-Huggins: A exp((sigma - r)/rho) - C/r^6 - D/r^8. This is force times distance, as what follows.
    let inverse_rho = table_float(entry + 1u);
    let inverse6 = inverse2 * inverse2 * inverse2;
    let c6 = table_float(entry + 2u);
    let d8 = table_float(entry + 3u);
    let wall = exponential(fma(-r, inverse_rho, table_float(entry)));
    var short_range = fma(-inverse6, fma(8.0 * d8, inverse2, 6.0 * c6), wall * inverse_rho * r);
    // erfc(alpha r) by Abramowitz and Stegun 7.1.26 (absolute error 1.5e-7).
    let charge = select(0.0, table_float(entry + 4u), r2 < COULOMB_CUTOFF_2);
    let x = ALPHA * r;
    let gauss = exponential(-x * x);
    let t = 1.0 / fma(0.3275911, x, 1.0);
    let erfc = t * fma(t, fma(t, fma(t, fma(t, 1.061405429, -1.453152027), 1.421413741), -0.284496736), 0.254829592) * gauss;
    var coulomb = fma(erfc, inverse, TWO_ALPHA_OVER_ROOT_PI * gauss);
    let soft_radius = table_float(entry + 8u);
    let is_soft = SOFT && r < soft_radius;
    if is_soft {
        // Linear inside: of the Coulomb term only the smooth part -erf(alpha r)/r is left.
        short_range = table_float(entry + 10u) * r;
        coulomb = -screened(r2).y * r2;
    }
    let in_short_range = r2 < SHORT_RANGE_CUTOFF_2;
    short_range = select(0.0, short_range, in_short_range);
    if VIRIAL {
        var u = fma(-inverse6, fma(d8, inverse2, c6), wall) - table_float(entry + 5u);
        var v = fma(erfc, inverse, -table_float(entry + 6u));
        if is_soft {
            u = fma(fma(-r2, inverse, soft_radius), table_float(entry + 10u), table_float(entry + 9u)) - table_float(entry + 5u);
            v = -(screened(r2).x + table_float(entry + 6u));
        }
        (*sums).short_range += select(0.0, u, in_short_range);
        (*sums).coulomb = fma(charge, v, (*sums).coulomb);
        let short_range_over = vec3(short_range * inverse2);
        let coulomb_over = vec3(charge * coulomb * inverse2);
        let off = d.xxy * d.yzz;
        (*sums).short_range_diagonal = fma(short_range_over * d, d, (*sums).short_range_diagonal);
        (*sums).short_range_off = fma(short_range_over, off, (*sums).short_range_off);
        (*sums).coulomb_diagonal = fma(coulomb_over * d, d, (*sums).coulomb_diagonal);
        (*sums).coulomb_off = fma(coulomb_over, off, (*sums).coulomb_off);
    }
    let close = !SOFT && r2 < table_float(entry + 7u);
    return vec2(fma(charge, coulomb, short_range) * inverse2, select(0.0, 1.0, close));
}

// ---- lists: every atom of other molecules within reach of any atom of this one, in ascending order

fn build_list(
    replica: u32, molecule: u32, exists: bool, list: u32, first: u32, size: u32,
    arms: ptr<function, array<vec3<f32>, LARGEST_MOLECULE>>, lane: u32, team: u32,
) {
    let capacity = tables[LIST_CAPACITY];
    let edge_a = replicas[replica].edges[0].xyz;
    let edge_b = replicas[replica].edges[1].xyz;
    let edge_c = replicas[replica].edges[2].xyz;
    let origin = atoms[atom_now(replica, first)].xyz;
    if exists && lane < size {
        atoms[atom_at_build(replica, first + lane)] = atoms[atom_now(replica, first + lane)];
    }
    // Three sets of four masks a team: one being filled, one being read, one being cleared.
    if lane < 12u {
        atomicStore(&words[team * 12u + lane], 0);
    }
    workgroupBarrier();
    var count = 0u;
    var filling = 0u;
    for (var start = 0u; start < N_ATOMS; start += 4u * TEAM) {
        for (var part = 0u; part < 4u; part++) {
            let other = start + part * TEAM + lane;
            if exists && other < N_ATOMS && (other < first || other >= first + size) {
                let there = relative(atoms[atom_now(replica, other)].xyz - origin, edge_a, edge_b, edge_c);
                var closest = 1e30;
                for (var m = 0u; m < size; m++) {
                    let d = (*arms)[m] - there;
                    closest = min(closest, dot3(d, d));
                }
                if closest < REACH_2 {
                    atomicOr(&words[team * 12u + filling * 4u + part], i32(1u << lane));
                }
            }
        }
        workgroupBarrier();
        for (var part = 0u; part < 4u; part++) {
            let mask = bitcast<u32>(atomicLoad(&words[team * 12u + filling * 4u + part]));
            if (mask >> lane & 1u) == 1u {
                let place = count + countOneBits(mask & ((1u << lane) - 1u));
                if place < capacity {
                    lists[list + 1u + place] = start + part * TEAM + lane;
                }
            }
            count += countOneBits(mask);
        }
        if lane < 4u {
            atomicStore(&words[team * 12u + ((filling + 2u) % 3u) * 4u + lane], 0);
        }
        filling = (filling + 1u) % 3u;
    }
    if exists && lane == 0u {
        lists[list] = count;
        if count > capacity {
            atomicOr(&replicas[replica].status, LIST_FULL);
            atomicMax(&replicas[replica].list_needed, count);
        }
    }
    storageBarrier();
    workgroupBarrier();
}
