// Nosé-Hoover chains (Martyna, Klein, Tuckerman 1992, doi:10.1063/1.463940), factorised as in doi:10.1080/00268979600100761 with
// Yoshida's weights.

// Advances a chain coupled to variables with twice the kinetic energy `kinetic`; returns their factor less one.
fn propagate(chain: ptr<function, Chain>, kinetic: f32, kt: f32, duration: f32) -> f32 {
    if (*chain).masses.w <= 0.0 {
        return 0.0;
    }
    var weights = array<f32, 3>(1.35120719, -1.70241438, 1.35120719);
    var scale = 0.0;
    var coupled = kinetic;
    for (var k = 0u; k < 3u; k++) {
        let time = weights[k] * duration;
        kick_link(chain, 2u, coupled, kt, time);
        kick_link(chain, 1u, coupled, kt, time);
        kick_link(chain, 0u, coupled, kt, time);
        let factor = exponential_minus_one(-time * link_velocity(chain, 0u));
        scale = fma(scale, factor, scale + factor);
        coupled *= (1.0 + factor) * (1.0 + factor);
        for (var link = 0u; link < 3u; link++) {
            (*chain).eta[link] = add_wide((*chain).eta[link], to_wide(time * link_velocity(chain, link), CHAIN_SCALE));
        }
        kick_link(chain, 0u, coupled, kt, time);
        kick_link(chain, 1u, coupled, kt, time);
        kick_link(chain, 2u, coupled, kt, time);
    }
    return scale;
}

fn link_velocity(chain: ptr<function, Chain>, link: u32) -> f32 {
    return of_wide((*chain).velocity[link]) * CHAIN_UNIT;
}

// v -> (v d + a) d with d the drag of the next link, written as an increment.
fn kick_link(chain: ptr<function, Chain>, link: u32, kinetic: f32, kt: f32, time: f32) {
    let own = link_velocity(chain, link);
    var force = fma(-(*chain).masses.w, kt, kinetic);
    if link > 0u {
        let before = link_velocity(chain, link - 1u);
        force = fma((*chain).masses[link - 1u] * before, before, -kt);
    }
    var drag = 0.0;
    if link < 2u {
        drag = exponential_minus_one(-0.25 * time * link_velocity(chain, link + 1u));
    }
    let push = 0.5 * time * force / (*chain).masses[link];
    let change = fma(own * drag, 2.0 + drag, push * (1.0 + drag));
    (*chain).velocity[link] = add_wide((*chain).velocity[link], to_wide(change, CHAIN_SCALE));
}

// g eta_1 + eta_2 + eta_3.
fn reduced_potential_of(chain: Chain) -> f32 {
    if chain.masses.w <= 0.0 {
        return 0.0;
    }
    return fma(chain.masses.w, of_wide(chain.eta[0]) * CHAIN_UNIT,
        of_wide(chain.eta[1]) * CHAIN_UNIT + of_wide(chain.eta[2]) * CHAIN_UNIT);
}
