//! A reader for the part of AML that describes (chapter 20 of the specification): names, devices, packages,
//! buffers, numbers. Methods stay bytes.

use std::collections::BTreeMap;

/// A value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    Number(u64),
    Package(Vec<Value>),
    Buffer(Vec<u8>),
    /// Flags and body.
    Method(u8, Vec<u8>),
}

impl Value {
    pub fn number(&self) -> u64 {
        match self {
            Value::Number(number) => *number,
            other => panic!("{other:?} is no number"),
        }
    }

    pub fn package(&self) -> &[Value] {
        match self {
            Value::Package(values) => values,
            other => panic!("{other:?} is no package"),
        }
    }
}

/// Everything that has a name, by its whole path.
pub type Namespace = BTreeMap<String, Value>;

struct Reader<'a> {
    bytes: &'a [u8],
}

impl<'a> Reader<'a> {
    fn take(&mut self, length: usize) -> &'a [u8] {
        let (taken, rest) = self.bytes.split_at(length);
        self.bytes = rest;
        taken
    }

    fn byte(&mut self) -> u8 {
        self.take(1)[0]
    }

    fn number(&mut self, length: usize) -> u64 {
        let mut bytes = [0; 8];
        bytes[..length].copy_from_slice(self.take(length));
        u64::from_le_bytes(bytes)
    }

    /// What a package length covers (section 20.2.4).
    fn package(&mut self) -> Reader<'a> {
        let before = self.bytes.len();
        let first = self.byte();
        let more = usize::from(first >> 6);
        let length = if more == 0 {
            usize::from(first & 0x3f)
        } else {
            assert_eq!(first & 0x30, 0, "reserved bits");
            usize::from(first & 0xf) | (self.number(more) as usize) << 4
        };
        let read = before - self.bytes.len();
        Reader {
            bytes: self.take(length - read),
        }
    }

    /// A name, made absolute.
    fn name(&mut self, scope: &str) -> String {
        let absolute = self.bytes[0] == b'\\';
        if absolute {
            self.take(1);
        }
        let name = std::str::from_utf8(self.take(4)).expect("a name");
        let good = |byte: u8| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'_';
        assert!(
            name.bytes().all(good) && !name.as_bytes()[0].is_ascii_digit(),
            "{name}"
        );
        match (absolute, scope) {
            (true, _) | (false, "") => name.to_string(),
            _ => format!("{scope}.{name}"),
        }
    }

    fn value(&mut self) -> Value {
        match self.byte() {
            0x00 => Value::Number(0),
            0x01 => Value::Number(1),
            0xff => Value::Number(u64::MAX),
            0x0a => Value::Number(self.number(1)),
            0x0b => Value::Number(self.number(2)),
            0x0c => Value::Number(self.number(4)),
            0x0e => Value::Number(self.number(8)),
            0x11 => {
                let mut inside = self.package();
                let size = inside.value().number() as usize;
                assert_eq!(inside.bytes.len(), size);
                Value::Buffer(inside.bytes.to_vec())
            }
            0x12 => {
                let mut inside = self.package();
                let count = inside.byte();
                let values = (0..count).map(|_| inside.value()).collect();
                assert!(inside.bytes.is_empty());
                Value::Package(values)
            }
            other => panic!("value {other:#x}"),
        }
    }

    fn objects(&mut self, scope: &str, namespace: &mut Namespace) {
        while !self.bytes.is_empty() {
            let (path, value) = match self.byte() {
                0x08 => (self.name(scope), self.value()),
                0x10 => {
                    let mut inside = self.package();
                    let path = inside.name(scope);
                    inside.objects(&path, namespace);
                    continue;
                }
                0x14 => {
                    let mut inside = self.package();
                    let path = inside.name(scope);
                    (path, Value::Method(inside.byte(), inside.bytes.to_vec()))
                }
                0x5b => {
                    assert_eq!(self.byte(), 0x82, "a device");
                    let mut inside = self.package();
                    let path = inside.name(scope);
                    inside.objects(&path, namespace);
                    continue;
                }
                other => panic!("object {other:#x}"),
            };
            let before = namespace.insert(path.clone(), value);
            assert!(before.is_none(), "{path} twice");
        }
    }
}

/// Reads the body of a table.
pub fn read(aml: &[u8]) -> Namespace {
    let mut namespace = Namespace::new();
    Reader { bytes: aml }.objects("", &mut namespace);
    namespace
}

/// A resource (section 6.4).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Resource {
    /// First port, last first port, ports.
    Ports(u16, u16, u8),
    /// First address, length.
    FixedMemory(u32, u32),
    /// Number, edge-triggered, active low.
    Interrupt(u32, bool, bool),
    /// Kind (0 memory, 1 ports, 2 buses), first, last, length.
    Window(u8, u64, u64, u64),
}

/// The resources in a buffer, which must have an end tag.
pub fn resources(value: &Value) -> Vec<Resource> {
    let Value::Buffer(bytes) = value else {
        panic!("{value:?} is no buffer");
    };
    let mut reader = Reader { bytes };
    let mut found = vec![];
    loop {
        let tag = reader.byte();
        let window = |reader: &mut Reader<'_>, width: usize| {
            assert_eq!(reader.number(2) as usize, 3 + 5 * width);
            let kind = reader.byte();
            assert_eq!(reader.byte() & 0b1100, 0b1100, "both ends are fixed");
            reader.byte();
            let [_, first, last, translation, length] =
                core::array::from_fn(|_| reader.number(width));
            assert_eq!(translation, 0);
            Resource::Window(kind, first, last, length)
        };
        found.push(match tag {
            0x47 => {
                assert_eq!(reader.byte(), 1, "16-bit decode");
                let (first, last) = (reader.number(2) as u16, reader.number(2) as u16);
                reader.byte();
                Resource::Ports(first, last, reader.byte())
            }
            0x86 => {
                assert_eq!(reader.number(2), 9);
                reader.byte();
                Resource::FixedMemory(reader.number(4) as u32, reader.number(4) as u32)
            }
            0x87 => window(&mut reader, 4),
            0x88 => window(&mut reader, 2),
            0x8a => window(&mut reader, 8),
            0x89 => {
                assert_eq!(reader.number(2), 6);
                let flags = reader.byte();
                assert_eq!((flags & 1, reader.byte()), (1, 1), "one, consumed");
                let number = reader.number(4) as u32;
                Resource::Interrupt(number, flags & 2 != 0, flags & 4 != 0)
            }
            0x79 => {
                reader.byte();
                assert!(reader.bytes.is_empty());
                return found;
            }
            other => panic!("resource {other:#x}"),
        });
    }
}
