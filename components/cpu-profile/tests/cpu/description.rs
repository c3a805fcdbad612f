//! Profiles in descriptions of VMs.

use pagurus_cpu_profile::{Feature, FeatureSet, Level, Profile, Topology};

fn read(text: &str) -> Result<Profile, String> {
    toml::from_str(text).map_err(|error| error.to_string())
}

#[test]
fn profiles_are_read() {
    assert_eq!(read(""), Ok(Profile::default()));
    let text = "level = \"x86-64-v3\"\nhide = [\"rdrand\", \"smap\"]\nrequire = [\"aes\"]\nphysical_bits = 39";
    let expected = Profile {
        level: Level::V3,
        hide: FeatureSet::of(&[Feature::Rdrand, Feature::Smap]),
        require: FeatureSet::of(&[Feature::Aes]),
        physical_bits: Some(39),
    };
    assert_eq!(read(text), Ok(expected));
    let written = toml::to_string(&expected).expect("TOML");
    assert_eq!(read(&written), Ok(expected));
}

#[test]
fn mistakes_are_named() {
    for (text, named) in [
        ("level = \"x86-64-v9\"", "x86-64-v9"),
        ("hide = [\"vmx\"]", "'vmx'"),
        ("hide = \"avx\"", "list of CPU features"),
        ("hides = []", "hides"),
    ] {
        let error = read(text).expect_err("a mistake");
        assert!(error.contains(named), "{error}");
    }
}

#[test]
fn topologies_are_read() {
    let text = "packages = 1\ncores = 2\nthreads = 2";
    let topology: Topology = toml::from_str(text).expect("a topology");
    assert_eq!(topology.processors(), 4);
}
