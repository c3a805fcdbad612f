mod cycles;
mod delete;
mod derive;
mod oracle;
mod random;
mod untyped;
mod world;
