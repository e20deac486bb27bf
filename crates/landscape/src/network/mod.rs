//! The network: its layers and flat parameters, its activation, its loss and its weights before training.

pub mod activation;
pub mod architecture;
pub mod initialisation;
pub mod layers;
pub mod loss;
