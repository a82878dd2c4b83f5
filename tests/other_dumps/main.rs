//! `vitrion analyze`, `convert` and `info` on dumps of other people: what is understood, what is refused, and what is said.
//!
//! Each test is about a kind of file that public reports tell of; they are named there.

mod atoms;
mod cells;
mod damage;
mod kinds;
mod support;
mod units;
