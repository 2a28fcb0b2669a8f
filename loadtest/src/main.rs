mod cluster;
mod decode;
mod encode;
mod failure;
mod keys;
mod mix;
mod pace;
mod reply;
mod sizes;
fn main() {}
