// Second dispatch: the mesh along x, times the influence function, and back along x. Sixteen neighbouring columns a workgroup.
// Between the two transforms a wave never leaves its thread: the last pass of one and the first of the other share their points.

@group(0) @binding(0) var<storage, read> tables: array<u32>;
@group(0) @binding(1) var<storage, read_write> replicas: array<Replica>;
@group(0) @binding(2) var<storage, read_write> mesh: array<vec2<f32>>;
@group(0) @binding(3) var<storage, read_write> partials: array<f32>;

const COLUMNS: u32 = 16u;
var<workgroup> columns: array<vec2<f32>, GRID_X * 17u>;
var<workgroup> column_sums: array<f32, 1799>;
var<workgroup> run_flags: u32;

@compute @workgroup_size(256)
fn kspace(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) thread: u32) {
    let replica = group.y;
    if thread == 0u {
        let runs = atomicLoad(&replicas[replica].status) == 0u
            && (replicas[replica].phase == MID_STEP || tables[COMMAND] == EVALUATE);
        run_flags = select(0u, 1u, runs);
    }
    if workgroupUniformLoad(&run_flags) == 0u {
        return;
    }
    let first = group.x * COLUMNS;
    let base = replica * GRID_X * GRID_Y * HALF_Z;
    for (var task = thread; task < COLUMNS * X_B; task += 256u) {
        let column = task % COLUMNS;
        let b = task / COLUMNS;
        var x: array<vec2<f32>, X_A>;
        for (var a = 0u; a < X_A; a++) {
            x[a] = select(vec2(0.0), mesh[base + (X_B * a + b) * GRID_Y * HALF_Z + min(first + column, GRID_Y * HALF_Z - 1u)],
                first + column < GRID_Y * HALF_Z);
        }
        transform_x_a(&x);
        for (var a = 0u; a < X_A; a++) {
            columns[(X_B * a + b) * 17u + column] = multiply(x[a], twiddle(TWIDDLES_X, a * b));
        }
    }
    workgroupBarrier();
    var sums: array<f32, 7>;
    for (var task = thread; task < COLUMNS * X_A; task += 256u) {
        let column = task % COLUMNS;
        let a = task / COLUMNS;
        var x: array<vec2<f32>, X_B>;
        for (var b = 0u; b < X_B; b++) {
            x[b] = columns[(X_B * a + b) * 17u + column];
        }
        transform_x_b(&x);
        for (var b = 0u; b < X_B; b++) {
            x[b] = convolve(replica, a + X_A * b, first + column, x[b], &sums);
        }
        inverse_x_b(&x);
        for (var b = 0u; b < X_B; b++) {
            columns[(X_B * a + b) * 17u + column] = multiply_conjugate(x[b], twiddle(TWIDDLES_X, a * b));
        }
    }
    workgroupBarrier();
    for (var task = thread; task < COLUMNS * X_B; task += 256u) {
        let column = task % COLUMNS;
        let b = task / COLUMNS;
        var x: array<vec2<f32>, X_A>;
        for (var a = 0u; a < X_A; a++) {
            x[a] = columns[(X_B * a + b) * 17u + column];
        }
        inverse_x_a(&x);
        if first + column < GRID_Y * HALF_Z {
            for (var a = 0u; a < X_A; a++) {
                mesh[base + (X_B * a + b) * GRID_Y * HALF_Z + first + column] = x[a];
            }
        }
    }
    if VIRIAL {
        for (var k = 0u; k < 7u; k++) {
            column_sums[k * 257u + thread] = sums[k];
        }
        workgroupBarrier();
        // 16 partial sums each, then their sum: always in this order.
        if thread < 112u {
            let k = thread / 16u;
            var sum = 0.0;
            for (var i = 0u; i < 16u; i++) {
                sum += column_sums[k * 257u + (thread % 16u) * 16u + i];
            }
            sums[0] = sum;
        }
        workgroupBarrier();
        if thread < 112u {
            column_sums[thread] = sums[0];
        }
        workgroupBarrier();
        if thread < 7u {
            var sum = 0.0;
            for (var i = 0u; i < 16u; i++) {
                sum += column_sums[thread * 16u + i];
            }
            partials[replica * PARTIAL_WORDS + N_MOLECULES * MOLECULE_PARTIALS + group.x * 8u + thread] = sum;
        }
    }
}

fn wave_number(index: u32, points: u32) -> f32 {
    return f32(index) - select(0.0, f32(points), 2u * index > points);
}

// F times the influence function G(m) = e^2/(4 pi eps0)/(pi V) exp(-pi^2 k^2/alpha^2)/k^2 |b_1 b_2 b_3|^2; adds the wave's energy
// E = G |F|^2/2 and virial E (1 - 2 (1/k^2 + pi^2/alpha^2) k k^T), twice where its mirror image is not on the half mesh.
fn convolve(replica: u32, kx: u32, column: u32, f: vec2<f32>, sums: ptr<function, array<f32, 7>>) -> vec2<f32> {
    if column >= GRID_Y * HALF_Z {
        return vec2(0.0);
    }
    let ky = column / HALF_Z;
    let kz = column % HALF_Z;
    let k = columns3(replicas[replica].reciprocal[0].xyz, replicas[replica].reciprocal[1].xyz,
        replicas[replica].reciprocal[2].xyz, vec3(wave_number(kx, GRID_X), wave_number(ky, GRID_Y), f32(kz)));
    let k2 = dot3(k, k);
    if kx + ky + kz == 0u {
        return vec2(0.0);
    }
    let moduli = table_float(MODULI_X + kx) * table_float(MODULI_Y + ky) * table_float(MODULI_Z + kz);
    let influence = COULOMB_OVER_PI / replicas[replica].volume * moduli * exponential(-PI_OVER_ALPHA_2 * k2) / k2;
    if VIRIAL {
        let multiplicity = select(1.0, 0.5, kz == 0u || 2u * kz == GRID_Z);
        let square = fma(f.x, f.x, f.y * f.y);
        let energy = multiplicity * influence * square;
        let factor = -2.0 * energy * (1.0 / k2 + PI_OVER_ALPHA_2);
        (*sums)[0] = fma(multiplicity * influence, square, (*sums)[0]);
        (*sums)[1] += fma(factor * k.x, k.x, energy);
        (*sums)[2] += fma(factor * k.y, k.y, energy);
        (*sums)[3] += fma(factor * k.z, k.z, energy);
        (*sums)[4] = fma(factor * k.x, k.y, (*sums)[4]);
        (*sums)[5] = fma(factor * k.x, k.z, (*sums)[5]);
        (*sums)[6] = fma(factor * k.y, k.z, (*sums)[6]);
    }
    return rounded_product(vec2(influence), f);
}
