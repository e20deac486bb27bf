//! Tells the program which sources it is made of.

fn main() {
    identity::emit();
}
