//! What people bring, and what they get.

mod answer;
mod browser;
mod convolutions;
mod families;
mod given;
mod own_data;
mod python;
mod results;
mod uncertainty;
