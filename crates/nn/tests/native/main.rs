//! The native engine against a plain reference in `f64`, and its instruction sets against one another.

mod bits;
mod fault;
mod gradients;
mod nets;
mod optimizers;
mod reference;
mod whole_loop;
