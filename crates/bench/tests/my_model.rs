//! The example of a model of one's own keeps the contract of all models. `cargo test` builds an example as a program or
//! as a test, not as both, and other tests run this one as a program: so it is taken in here.

#[path = "../examples/my_model.rs"]
#[expect(dead_code, reason = "its main function is what `cargo run --example my_model` runs")]
mod my_model;
