//! (integrators helper)
