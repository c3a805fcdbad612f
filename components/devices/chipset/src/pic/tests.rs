use super::*;
use proptest::prelude::*;

const END: u8 = 0x20;

/// Initialized as Linux does it, with nothing masked.
fn initialized() -> Pic {
    initialized_with(0x01, 0x01)
}

fn initialized_with(master_mode: u8, slave_mode: u8) -> Pic {
    let mut pic = Pic::new();
    for (port, value) in [
        (0x20, 0x11),
        (0x21, 0x30),
        (0x21, 0x04),
        (0x21, master_mode),
        (0xa0, 0x11),
        (0xa1, 0x38),
        (0xa1, 0x02),
        (0xa1, slave_mode),
    ] {
        pic.write(port, value);
    }
    pic
}

fn take(pic: &mut Pic) -> Option<u8> {
    pic.pending().then(|| pic.acknowledge())
}

fn requests(pic: &mut Pic) -> (u8, u8) {
    pic.write(0x20, 0x0a);
    pic.write(0xa0, 0x0a);
    (pic.read(0x20), pic.read(0xa0))
}

fn in_service(pic: &mut Pic) -> (u8, u8) {
    pic.write(0x20, 0x0b);
    pic.write(0xa0, 0x0b);
    (pic.read(0x20), pic.read(0xa0))
}

#[test]
fn masked_after_reset() {
    let mut pic = Pic::new();
    assert_eq!((pic.read(0x21), pic.read(0xa1)), (0xff, 0xff));
    for irq in 0..=255 {
        pic.set_line(irq, true);
    }
    assert!(!pic.pending());
    assert_eq!(pic.read(0x22), 0xff);
    pic.write(0x22, 0);
    pic.write(0x21, 0x00);
    assert_eq!(pic.acknowledge(), 0x08, "the vectors of PC firmware");
}

#[test]
fn edge_is_served_once() {
    let mut pic = initialized();
    pic.set_line(4, true);
    assert_eq!(requests(&mut pic), (0x10, 0));
    assert_eq!(take(&mut pic), Some(0x34));
    assert_eq!(in_service(&mut pic), (0x10, 0));
    assert_eq!(requests(&mut pic), (0, 0));
    pic.write(0x20, END);
    assert_eq!(in_service(&mut pic), (0, 0));
    assert_eq!(take(&mut pic), None, "still high, but no new edge");
    pic.pulse(4);
    assert_eq!(take(&mut pic), Some(0x34));
}

#[test]
fn slave_goes_through_the_cascade() {
    let mut pic = initialized();
    pic.set_line(12, true);
    assert_eq!(requests(&mut pic), (0x04, 0x10));
    assert_eq!(take(&mut pic), Some(0x3c));
    assert_eq!(in_service(&mut pic), (0x04, 0x10));
    pic.write(0xa0, END);
    pic.write(0x20, END);
    assert_eq!(in_service(&mut pic), (0, 0));
    assert_eq!(take(&mut pic), None);
}

#[test]
fn higher_priority_interrupts_lower() {
    let mut pic = initialized();
    pic.set_line(4, true);
    assert_eq!(take(&mut pic), Some(0x34));
    pic.set_line(5, true);
    assert_eq!(take(&mut pic), None);
    pic.set_line(1, true);
    assert_eq!(take(&mut pic), Some(0x31));
    pic.write(0x20, END);
    assert_eq!(
        in_service(&mut pic),
        (0x10, 0),
        "the highest is ended first"
    );
    pic.write(0x20, END);
    assert_eq!(take(&mut pic), Some(0x35));
}

#[test]
fn one_slave_interrupt_after_another() {
    let mut pic = initialized();
    pic.set_line(14, true);
    pic.set_line(15, true);
    for vector in [0x3e, 0x3f] {
        assert_eq!(take(&mut pic), Some(vector));
        assert_eq!(take(&mut pic), None);
        pic.write(0xa0, END);
        pic.write(0x20, END);
    }
    assert_eq!(take(&mut pic), None);
}

#[test]
fn special_fully_nested_mode_lets_the_slave_nest() {
    for (mode, nested) in [(0x01, None), (0x11, Some(0x38))] {
        let mut pic = initialized_with(mode, 0x01);
        pic.set_line(12, true);
        assert_eq!(take(&mut pic), Some(0x3c));
        pic.set_line(8, true);
        assert_eq!(take(&mut pic), nested);
    }
}

#[test]
fn masks_hold_back() {
    let mut pic = initialized();
    pic.write(0x21, 0x10);
    pic.write(0xa1, 0x01);
    assert_eq!((pic.read(0x21), pic.read(0xa1)), (0x10, 0x01));
    pic.set_line(4, true);
    pic.set_line(8, true);
    assert_eq!(take(&mut pic), None);
    pic.write(0x21, 0x00);
    assert_eq!(take(&mut pic), Some(0x34), "edges are kept behind the mask");
    pic.write(0x20, END);
    pic.write(0xa1, 0x00);
    assert_eq!(take(&mut pic), Some(0x38));
}

#[test]
fn level_is_served_until_it_falls() {
    let mut pic = initialized();
    pic.write(0x4d0, 0xff);
    pic.write(0x4d1, 0xff);
    assert_eq!((pic.read(0x4d0), pic.read(0x4d1)), (0xf8, 0xde));
    for (line, vector) in [(5, 0x35), (11, 0x3b)] {
        pic.set_line(line, true);
        for _ in 0..3 {
            assert_eq!(take(&mut pic), Some(vector));
            assert_eq!(take(&mut pic), None, "in service");
            pic.write(0xa0, END);
            pic.write(0x20, END);
        }
        pic.set_line(line, false);
        assert_eq!(take(&mut pic), None);
    }
}

#[test]
fn level_mode_of_the_whole_chip() {
    let mut pic = Pic::new();
    for (port, value) in [(0x20, 0x19), (0x21, 0x30), (0x21, 0x04), (0x21, 0x01)] {
        pic.write(port, value);
    }
    pic.set_line(0, true);
    for _ in 0..2 {
        assert_eq!(take(&mut pic), Some(0x30));
        pic.write(0x20, END);
    }
}

#[test]
fn spurious_vectors() {
    let mut pic = initialized();
    pic.set_line(3, true);
    assert!(pic.pending());
    pic.set_line(3, false);
    assert!(!pic.pending());
    assert_eq!(pic.acknowledge(), 0x37);
    assert_eq!(in_service(&mut pic), (0, 0), "nothing is in service");

    // The master has latched the cascade, but the slave's line has fallen in the meantime.
    pic.set_line(10, true);
    pic.write(0x4d0, 0);
    pic.slave.set_line(2, false);
    assert_eq!(pic.acknowledge(), 0x3f);
    assert_eq!(
        in_service(&mut pic),
        (0x04, 0),
        "the master knows nothing of it"
    );
}

#[test]
fn automatic_end() {
    let mut pic = initialized_with(0x03, 0x03);
    for _ in 0..2 {
        pic.pulse(0);
        assert_eq!(take(&mut pic), Some(0x30));
        pic.pulse(9);
        assert_eq!(take(&mut pic), Some(0x39));
        assert_eq!(in_service(&mut pic), (0, 0));
    }
}

#[test]
fn rotation_in_automatic_end() {
    let mut pic = initialized_with(0x03, 0x01);
    pic.write(0x20, 0x80);
    pic.set_line(3, true);
    assert_eq!(take(&mut pic), Some(0x33));
    pic.pulse(3);
    pic.set_line(7, true);
    assert_eq!(take(&mut pic), Some(0x37), "3 has the lowest priority now");
    pic.write(0x20, 0x00);
    assert_eq!(take(&mut pic), Some(0x33));
    pic.pulse(3);
    pic.pulse(0);
    assert_eq!(take(&mut pic), Some(0x30), "7 is the lowest still");
}

#[test]
fn rotation_on_end() {
    let mut pic = initialized();
    pic.set_line(4, true);
    pic.set_line(6, true);
    assert_eq!(take(&mut pic), Some(0x34));
    pic.write(0x20, 0xa0);
    pic.pulse(4);
    assert_eq!(take(&mut pic), Some(0x36), "4 is the lowest");
    pic.write(0x20, 0xe6);
    assert_eq!(in_service(&mut pic), (0, 0));
    pic.set_line(7, true);
    assert_eq!(
        take(&mut pic),
        Some(0x37),
        "6 is the lowest, so 7 is the highest"
    );
}

#[test]
fn priority_can_be_set() {
    let mut pic = initialized();
    pic.write(0x20, 0xc4);
    pic.set_line(0, true);
    pic.set_line(5, true);
    assert_eq!(take(&mut pic), Some(0x35));
    pic.write(0x20, 0x40);
    assert_eq!(in_service(&mut pic), (0x20, 0), "no operation");
}

#[test]
fn rotated_priority_decides_who_interrupts_whom() {
    let mut pic = initialized();
    pic.write(0x20, 0xc4);
    pic.set_line(1, true);
    assert_eq!(take(&mut pic), Some(0x31));
    pic.set_line(3, true);
    assert_eq!(take(&mut pic), None);
    pic.set_line(6, true);
    assert_eq!(take(&mut pic), Some(0x36), "5, 6, 7, 0, 1, 2, 3, 4");
    pic.set_line(0, true);
    assert_eq!(take(&mut pic), None);
}

#[test]
fn specific_end() {
    let mut pic = initialized();
    for line in [6, 3, 1] {
        pic.set_line(line, true);
        take(&mut pic);
    }
    assert_eq!(in_service(&mut pic), (0x4a, 0));
    pic.write(0x20, 0x63);
    assert_eq!(in_service(&mut pic), (0x42, 0));
}

#[test]
fn special_mask_mode() {
    let mut pic = initialized();
    pic.set_line(1, true);
    assert_eq!(take(&mut pic), Some(0x31));
    pic.set_line(5, true);
    assert_eq!(take(&mut pic), None);
    pic.write(0x21, 0x02);
    assert_eq!(take(&mut pic), None);
    pic.write(0x20, 0x68);
    assert_eq!(
        take(&mut pic),
        Some(0x35),
        "1 is masked and holds nothing back"
    );
    pic.write(0x20, END);
    assert_eq!(in_service(&mut pic), (0x02, 0), "nor is it ended");
    pic.write(0x20, END);
    assert_eq!(in_service(&mut pic), (0x02, 0));
    pic.write(0x20, 0x48);
    pic.write(0x20, END);
    assert_eq!(in_service(&mut pic), (0, 0));
}

#[test]
fn polled_read_acknowledges() {
    let mut pic = initialized();
    pic.write(0x20, 0x0c);
    assert_eq!(pic.read(0x20), 0x00, "nothing");
    pic.set_line(5, true);
    pic.write(0x20, 0x0c);
    assert_eq!(pic.read(0x21), 0x85, "either port");
    assert!(!pic.pending());
    assert_eq!(in_service(&mut pic), (0x20, 0));
    pic.write(0x20, END);

    pic.set_line(9, true);
    pic.set_line(10, true);
    pic.write(0x20, 0x0c);
    assert_eq!(pic.read(0x20), 0x82, "the cascade");
    pic.write(0xa0, 0x0c);
    assert_eq!(pic.read(0xa0), 0x81);
    assert_eq!(in_service(&mut pic), (0x04, 0x02));
    pic.write(0xa0, END);
    pic.write(0x20, END);
    assert_eq!(take(&mut pic), Some(0x3a));
}

#[test]
fn reading_the_slave_raises_nothing() {
    let mut pic = initialized();
    pic.set_line(9, true);
    assert_eq!(take(&mut pic), Some(0x39));
    pic.set_line(8, true);
    pic.write(0x20, END);
    assert_eq!(take(&mut pic), Some(0x38));
    pic.read(0xa1);
    assert_eq!(requests(&mut pic), (0, 0));
}

#[test]
fn reading_the_slave_between_two_polls_raises_nothing() {
    let mut pic = initialized();
    pic.set_line(9, true);
    pic.write(0x20, 0x0c);
    assert_eq!(pic.read(0x20), 0x82);
    pic.read(0xa1);
    assert_eq!(requests(&mut pic), (0x00, 0x02));
}

#[test]
fn a_polled_slave_that_wants_more_makes_an_edge() {
    let mut pic = initialized_with(0x01, 0x03);
    pic.set_line(9, true);
    pic.set_line(10, true);
    pic.write(0x20, 0x0c);
    assert_eq!(pic.read(0x20), 0x82);
    pic.write(0xa0, 0x0c);
    assert_eq!(pic.read(0xa0), 0x81);
    pic.write(0x20, END);
    assert_eq!(take(&mut pic), Some(0x3a));
}

#[test]
fn initialization_without_third_and_fourth_word() {
    let mut pic = Pic::new();
    pic.write(0x20, 0x12);
    pic.write(0x21, 0x45);
    pic.write(0x21, 0xfe);
    assert_eq!(pic.read(0x21), 0xfe, "the mask");
    pic.set_line(0, true);
    assert_eq!(take(&mut pic), Some(0x40));

    pic.write(0x20, 0x13);
    pic.write(0x21, 0x50);
    pic.write(0x21, 0x03);
    assert_eq!(pic.read(0x21), 0x00);
    pic.pulse(0);
    assert_eq!(take(&mut pic), Some(0x50));
    assert_eq!(in_service(&mut pic).0, 0, "automatic end");
}

#[test]
fn initialization_forgets() {
    let mut pic = initialized_with(0x13, 0x01);
    pic.set_line(0, true);
    pic.set_line(1, true);
    take(&mut pic);
    pic.write(0x20, 0x68);
    pic.write(0x20, 0x80);
    pic.write(0x20, 0xc3);
    pic.write(0x20, 0x0b);
    pic.write(0x20, 0x0c);
    pic.write(0x21, 0xff);
    for (port, value) in [(0x20, 0x11), (0x21, 0x30), (0x21, 0x04), (0x21, 0x01)] {
        pic.write(port, value);
    }
    assert!(!pic.pending(), "edges are forgotten");
    let mut fresh = initialized();
    for line in [0, 1] {
        fresh.set_line(line, true);
        pic.pulse(line);
    }
    assert_eq!(pic, fresh);
    assert_eq!((pic.read(0x20), pic.read(0x21)), (0x03, 0x00));
}

#[derive(Clone, Debug)]
enum Step {
    Read(u16),
    Write(u16, u8),
    Line(u8, bool),
    Take,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let port = prop::sample::select(vec![0x20u16, 0x21, 0xa0, 0xa1, 0x4d0, 0x4d1, 0x99]);
    let step = prop_oneof![
        port.clone().prop_map(Step::Read),
        (port, any::<u8>()).prop_map(|(port, value)| Step::Write(port, value)),
        (0..20u8, any::<bool>()).prop_map(|(irq, level)| Step::Line(irq, level)),
        Just(Step::Take),
    ];
    prop::collection::vec(step, 0..300)
}

proptest! {
    #[test]
    fn whatever_a_guest_does(steps in steps()) {
        let mut pic = Pic::new();
        for step in steps {
            match step {
                Step::Read(port) => {
                    pic.read(port);
                }
                Step::Write(port, value) => pic.write(port, value),
                Step::Line(irq, level) => pic.set_line(irq, level),
                Step::Take => {
                    let vector = pic.acknowledge();
                    let of_master = vector & 0xf8 == pic.master.vector(0);
                    prop_assert!(of_master || vector & 0xf8 == pic.slave.vector(0));
                }
            }
        }
    }

    /// A guest that serves every interrupt as it should gets each line that is up, and then there is quiet.
    #[test]
    fn every_line_arrives(lines: u16, level: [u8; 2]) {
        let lines = lines & !(1 << CASCADE);
        let mut pic = initialized();
        pic.write(0x4d0, level[0]);
        pic.write(0x4d1, level[1]);
        for irq in 0..LINES {
            pic.set_line(irq, lines >> irq & 1 != 0);
        }
        let mut served = 0;
        while let Some(vector) = take(&mut pic) {
            let irq = vector - 0x30;
            prop_assert_eq!(served >> irq & 1, 0, "twice");
            served |= 1u16 << irq;
            pic.set_line(irq, false);
            if irq >= 8 {
                pic.write(0xa0, END);
            }
            pic.write(0x20, END);
        }
        prop_assert_eq!(served, lines);
    }
}
