use super::*;
use proptest::prelude::*;

const DATA: u16 = 0;
const ENABLE: u16 = 1;
const IDENTITY: u16 = 2;
const FIFO_CONTROL: u16 = 2;
const LINE_CONTROL: u16 = 3;
const MODEM_CONTROL: u16 = 4;
const LINE_STATUS: u16 = 5;
const MODEM_STATUS: u16 = 6;
const SCRATCH: u16 = 7;

/// A port with its interrupt line connected (OUT2, DTR, RTS).
fn connected() -> Uart {
    let mut uart = Uart::new();
    uart.write(MODEM_CONTROL, 0x0b);
    uart
}

/// The same with FIFOs and this trigger level (0 to 3).
fn with_fifos(trigger: u8) -> Uart {
    let mut uart = connected();
    uart.write(FIFO_CONTROL, 0x07 | trigger << 6);
    uart
}

#[test]
fn registers_after_reset() {
    let mut uart = Uart::new();
    assert_eq!(uart.read(ENABLE), 0);
    assert_eq!(uart.read(IDENTITY), 0x01);
    assert_eq!(uart.read(LINE_CONTROL), 0);
    assert_eq!(uart.read(MODEM_CONTROL), 0);
    assert_eq!(uart.read(LINE_STATUS), 0x60);
    assert_eq!(uart.read(MODEM_STATUS), 0xb0);
    assert_eq!(uart.read(8), 0xff);
    assert_eq!(uart.read(u16::MAX), 0xff);
    assert!(!uart.irq());
}

#[test]
fn scratch_and_reserved_bits() {
    let mut uart = Uart::new();
    uart.write(SCRATCH, 0xa5);
    uart.write(ENABLE, 0xff);
    uart.write(MODEM_CONTROL, 0xff);
    uart.write(8, 0xff);
    assert_eq!(uart.read(SCRATCH), 0xa5);
    assert_eq!(uart.read(ENABLE), 0x0f);
    assert_eq!(uart.read(MODEM_CONTROL), 0x1f);
}

#[test]
fn divisor_latch_hides_data_and_enable() {
    let mut uart = Uart::new();
    uart.write(ENABLE, 0x01);
    uart.write(LINE_CONTROL, 0x83);
    uart.write(0, 0x34);
    uart.write(1, 0x12);
    assert_eq!((uart.read(0), uart.read(1)), (0x34, 0x12));
    assert_eq!(uart.divisor(), 0x1234);
    uart.write(LINE_CONTROL, 0x03);
    assert_eq!(uart.read(ENABLE), 0x01);
    assert!(uart.take_output().is_empty());
}

#[test]
fn transmitter_is_busy_until_output_is_taken() {
    let mut uart = Uart::new();
    uart.write(DATA, b'a');
    assert_eq!(uart.read(LINE_STATUS), 0x00);
    assert_eq!(uart.take_output(), b"a");
    assert_eq!(uart.read(LINE_STATUS), 0x60);
    assert!(uart.take_output().is_empty());
}

#[test]
fn holding_register_is_overwritten_and_full_fifo_loses() {
    let mut uart = Uart::new();
    uart.write(DATA, b'a');
    uart.write(DATA, b'b');
    assert_eq!(uart.take_output(), b"b");

    let mut uart = with_fifos(0);
    for byte in b"0123456789abcdefgh" {
        uart.write(DATA, *byte);
    }
    assert_eq!(uart.take_output(), b"0123456789abcdef");
}

#[test]
fn enabling_the_transmitter_interrupt_raises_it_once() {
    let mut uart = connected();
    uart.write(ENABLE, enable::TRANSMITTER_EMPTY);
    assert!(uart.irq());
    assert_eq!(uart.read(IDENTITY), 0x02);
    assert!(!uart.irq(), "reading the identity ends it");
    assert_eq!(uart.read(IDENTITY), 0x01);
    uart.write(ENABLE, enable::TRANSMITTER_EMPTY);
    assert!(!uart.irq(), "it was enabled already");
    uart.write(ENABLE, 0);
    uart.write(ENABLE, enable::TRANSMITTER_EMPTY);
    assert!(uart.irq());
}

#[test]
fn enabling_the_transmitter_interrupt_while_busy_raises_nothing() {
    let mut uart = connected();
    uart.write(DATA, b'x');
    uart.write(ENABLE, enable::TRANSMITTER_EMPTY);
    assert!(!uart.irq());
    uart.take_output();
    assert!(uart.irq());
}

#[test]
fn every_output_gives_an_edge() {
    let mut uart = connected();
    uart.write(ENABLE, enable::TRANSMITTER_EMPTY);
    assert!(uart.irq());
    uart.write(DATA, b'x');
    assert!(!uart.irq(), "busy");
    uart.take_output();
    assert!(uart.irq());
}

#[test]
fn received_data_without_fifo() {
    let mut uart = connected();
    uart.write(ENABLE, enable::RECEIVED);
    assert_eq!(uart.input_space(), 1);
    assert_eq!(uart.put_input(b"hi"), 1);
    assert_eq!(uart.input_space(), 0);
    assert!(uart.irq());
    assert_eq!(uart.read(IDENTITY), 0x04);
    assert_eq!(uart.read(LINE_STATUS), 0x61);
    assert_eq!(uart.read(DATA), b'h');
    assert!(!uart.irq());
    assert_eq!(uart.read(LINE_STATUS), 0x60);
    assert_eq!(uart.read(DATA), 0);
}

#[test]
fn trigger_levels_and_timeout() {
    for (setting, level) in [(0, 1), (1, 4), (2, 8), (3, 14)] {
        let mut uart = with_fifos(setting);
        uart.write(ENABLE, enable::RECEIVED);
        for received in 1..=FIFO {
            assert_eq!(uart.put_input(b"."), 1);
            let wanted = if received >= level { 0xc4 } else { 0xcc };
            assert_eq!(uart.read(IDENTITY), wanted, "{received} of {level}");
        }
        assert_eq!(uart.put_input(b"."), 0, "the rest waits");
        for _ in 0..FIFO {
            assert!(uart.irq());
            assert_eq!(uart.read(DATA), b'.');
        }
        assert!(!uart.irq());
        assert_eq!(uart.read(IDENTITY), 0xc1);
    }
}

#[test]
fn fifo_control_clears() {
    let mut uart = with_fifos(0);
    uart.put_input(b"abc");
    uart.write(DATA, b'x');
    uart.write(FIFO_CONTROL, 0x03);
    assert_eq!(
        uart.read(LINE_STATUS),
        0x00,
        "input gone, output still there"
    );
    uart.write(FIFO_CONTROL, 0x05);
    assert_eq!(uart.read(LINE_STATUS), 0x60);
    assert!(uart.take_output().is_empty());

    uart.put_input(b"abc");
    uart.write(FIFO_CONTROL, 0xc0);
    assert_eq!(uart.read(IDENTITY), 0x01, "FIFOs off");
    assert_eq!(uart.read(LINE_STATUS), 0x60, "a change of mode clears");
    assert_eq!(uart.input_space(), 1);
}

#[test]
fn break_is_an_error_of_its_byte() {
    let mut uart = with_fifos(0);
    uart.write(ENABLE, enable::LINE_STATUS | enable::RECEIVED);
    uart.put_input(b"a");
    uart.put_break();
    assert_eq!(uart.read(IDENTITY), 0xc4, "not yet at the head");
    assert_eq!(uart.read(LINE_STATUS), 0xe1);
    assert_eq!(uart.read(DATA), b'a');
    assert_eq!(uart.read(IDENTITY), 0xc6);
    assert_eq!(uart.read(LINE_STATUS), 0xf1);
    assert_eq!(uart.read(IDENTITY), 0xc4, "told");
    assert_eq!(uart.read(LINE_STATUS), 0x61);
    assert_eq!(uart.read(DATA), 0);
    assert_eq!(uart.read(LINE_STATUS), 0x60);
}

#[test]
fn a_second_break_is_told_too() {
    let mut uart = with_fifos(0);
    uart.put_break();
    uart.put_break();
    assert_eq!(uart.read(LINE_STATUS), 0xf1);
    assert_eq!(uart.read(LINE_STATUS), 0xe1, "one more in the FIFO");
    uart.read(DATA);
    assert_eq!(uart.read(LINE_STATUS), 0xf1);
}

#[test]
fn status_read_with_nothing_there_hides_no_break() {
    let mut uart = with_fifos(0);
    uart.read(LINE_STATUS);
    uart.put_break();
    assert_eq!(uart.read(LINE_STATUS), 0xf1);
}

#[test]
fn overrun_in_loopback() {
    let mut uart = connected();
    uart.write(ENABLE, enable::LINE_STATUS);
    uart.write(MODEM_CONTROL, modem_control::LOOPBACK | modem_control::OUT2);
    uart.write(DATA, b'a');
    uart.write(DATA, b'b');
    assert_eq!(uart.read(IDENTITY), 0x06);
    assert!(!uart.irq(), "OUT2 does not get out in loopback");
    assert_eq!(uart.read(LINE_STATUS), 0x63);
    assert_eq!(uart.read(LINE_STATUS), 0x61);
    assert_eq!(uart.read(DATA), b'b', "without FIFO the newer byte stays");

    let mut uart = with_fifos(0);
    uart.write(MODEM_CONTROL, modem_control::LOOPBACK);
    for byte in 0..20 {
        uart.write(DATA, byte);
    }
    assert_eq!(uart.read(LINE_STATUS), 0x63);
    for byte in 0..16 {
        assert_eq!(uart.read(DATA), byte, "with FIFO the older ones stay");
    }
    assert!(uart.take_output().is_empty());
}

#[test]
fn loopback_disconnects_the_line() {
    let mut uart = connected();
    uart.write(MODEM_CONTROL, modem_control::LOOPBACK);
    assert_eq!(uart.put_input(b"a"), 0);
    assert_eq!(uart.input_space(), 0);
    uart.put_break();
    assert_eq!(uart.read(LINE_STATUS), 0x60);
    uart.write(LINE_CONTROL, line_control::BREAK);
    assert_eq!(uart.read(LINE_STATUS), 0x71);
}

#[test]
fn loopback_of_modem_lines() {
    let mut uart = Uart::new();
    for (control, status) in [
        (0x10, 0x00),
        (0x11, 0x20),
        (0x12, 0x10),
        (0x14, 0x40),
        (0x18, 0x80),
        (0x1f, 0xf0),
    ] {
        uart.write(MODEM_CONTROL, control);
        assert_eq!(uart.read(MODEM_STATUS) & 0xf0, status);
    }
    uart.write(MODEM_CONTROL, 0);
    assert_eq!(uart.read(MODEM_STATUS), 0xb4, "end of ringing only");
    assert_eq!(uart.read(MODEM_STATUS), 0xb0, "changes are told once");
}

#[test]
fn the_beginning_of_ringing_is_no_change() {
    let mut uart = Uart::new();
    uart.write(MODEM_CONTROL, 0x10);
    uart.read(MODEM_STATUS);
    uart.write(MODEM_CONTROL, 0x14);
    assert_eq!(uart.read(MODEM_STATUS), 0x40);
    uart.write(MODEM_CONTROL, 0x10);
    assert_eq!(uart.read(MODEM_STATUS), 0x04);
}

#[test]
fn modem_status_interrupt() {
    let mut uart = connected();
    uart.write(MODEM_CONTROL, 0x10);
    uart.write(MODEM_CONTROL, 0x0b);
    uart.write(ENABLE, enable::MODEM_STATUS);
    assert!(uart.irq());
    assert_eq!(uart.read(IDENTITY), 0x00);
    assert_eq!(uart.read(MODEM_STATUS), 0xbb);
    assert!(!uart.irq());
}

#[test]
fn causes_come_by_priority() {
    let mut uart = connected();
    uart.write(MODEM_CONTROL, 0x10);
    uart.write(DATA, 1);
    uart.write(DATA, 2);
    uart.write(MODEM_CONTROL, 0x0b);
    uart.write(ENABLE, enable::ALL);
    assert_eq!(uart.read(IDENTITY), 0x06);
    uart.read(LINE_STATUS);
    assert_eq!(uart.read(IDENTITY), 0x04);
    uart.read(DATA);
    assert_eq!(uart.read(IDENTITY), 0x02);
    assert_eq!(uart.read(IDENTITY), 0x00);
    uart.read(MODEM_STATUS);
    assert_eq!(uart.read(IDENTITY), 0x01);
}

#[test]
fn out2_gates_the_line() {
    let mut uart = connected();
    uart.write(ENABLE, enable::RECEIVED);
    uart.put_input(b"x");
    assert!(uart.irq());
    uart.write(MODEM_CONTROL, 0x03);
    assert!(!uart.irq());
    assert_eq!(uart.read(IDENTITY), 0x04, "still pending");
}

/// What 8250 drivers look for to tell a 16550A from its relatives.
#[test]
fn is_taken_for_a_16550a() {
    let mut uart = Uart::new();
    uart.write(ENABLE, 0);
    assert_eq!(uart.read(ENABLE) & 0x0f, 0);
    uart.write(ENABLE, 0x0f);
    assert_eq!(uart.read(ENABLE) & 0x0f, 0x0f);
    uart.write(MODEM_CONTROL, 0x1a);
    assert_eq!(uart.read(MODEM_STATUS) & 0xf0, 0x90);
    uart.write(MODEM_CONTROL, 0x08);
    uart.write(FIFO_CONTROL, 0x01);
    assert_eq!(uart.read(IDENTITY) >> 6, 3);
    // With the enhanced registers of a 16650 a zero would be read here.
    uart.write(LINE_CONTROL, 0xbf);
    assert_ne!(uart.read(2), 0);
    // A 16750 would keep bit 5.
    uart.write(LINE_CONTROL, 0x80);
    uart.write(FIFO_CONTROL, 0x21);
    assert_eq!(uart.read(IDENTITY) >> 5, 6);
    // An XScale port would keep bit 6 of the interrupt enable register.
    uart.write(LINE_CONTROL, 0);
    uart.write(ENABLE, 0x40);
    assert_eq!(uart.read(ENABLE), 0);
}

#[derive(Clone, Debug)]
enum Step {
    Read(u16),
    Write(u16, u8),
    Take,
    Put(Vec<u8, 40>),
    Break,
}

fn steps() -> impl Strategy<Value = std::vec::Vec<Step>> {
    let bytes = prop::collection::vec(any::<u8>(), 0..40)
        .prop_map(|bytes| Step::Put(Vec::from_slice(&bytes).unwrap()));
    let step = prop_oneof![
        4 => (0..9u16).prop_map(Step::Read),
        6 => (0..9u16, any::<u8>()).prop_map(|(offset, value)| Step::Write(offset, value)),
        1 => Just(Step::Take),
        2 => bytes,
        1 => Just(Step::Break),
    ];
    prop::collection::vec(step, 0..200)
}

proptest! {
    #[test]
    fn whatever_a_guest_does(steps in steps()) {
        let mut uart = Uart::new();
        for step in steps {
            match step {
                Step::Read(offset) => {
                    uart.read(offset);
                }
                Step::Write(offset, value) => uart.write(offset, value),
                Step::Take => {
                    uart.take_output();
                    prop_assert!(uart.transmitter.is_empty());
                }
                Step::Put(bytes) => {
                    let space = uart.input_space();
                    prop_assert_eq!(uart.put_input(&bytes), space.min(bytes.len()));
                }
                Step::Break => uart.put_break(),
            }
            // A driver that serves what the identity register tells comes to an end.
            let mut quiet = uart.clone();
            quiet.take_output();
            quiet.write(LINE_CONTROL, 0);
            for _ in 0..64 {
                match quiet.read(IDENTITY) & 0x0f {
                    identity::NONE => break,
                    identity::LINE_STATUS => {
                        quiet.read(LINE_STATUS);
                    }
                    identity::RECEIVED | identity::TIMEOUT => {
                        quiet.read(DATA);
                    }
                    identity::TRANSMITTER_EMPTY => {}
                    _ => {
                        quiet.read(MODEM_STATUS);
                    }
                }
            }
            prop_assert_eq!(quiet.read(IDENTITY) & 0x0f, identity::NONE);
            prop_assert!(!quiet.irq());
        }
    }

    #[test]
    fn input_arrives_in_order(bytes in prop::collection::vec(any::<u8>(), 0..300), fifos: bool) {
        let mut uart = if fifos { with_fifos(2) } else { connected() };
        let mut received = std::vec::Vec::new();
        let mut rest = &bytes[..];
        while received.len() < bytes.len() {
            let accepted = uart.put_input(rest);
            rest = &rest[accepted..];
            while uart.read(LINE_STATUS) & line_status::DATA_READY != 0 {
                received.push(uart.read(DATA));
            }
        }
        prop_assert_eq!(received, bytes);
    }
}
