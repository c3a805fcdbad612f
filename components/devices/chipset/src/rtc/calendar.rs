//! The clock's registers as dates.

use super::{format, register};
use time::{Date, Month, PrimitiveDateTime, Time, UtcDateTime};

/// Seconds in a day.
pub(super) const DAY: u32 = 86_400;
/// Seconds since 1970 at the beginning of the year 0 and at the end of the year 9999: what the registers can hold.
const RANGE: [i64; 2] = [-62_167_219_200, 253_402_300_799];

/// Time and date as registers 0x00 to 0x09 and the century's byte hold them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Registers {
    pub second: u8,
    pub minute: u8,
    pub hour: u8,
    pub weekday: u8,
    pub day: u8,
    pub month: u8,
    pub year: u8,
    pub century: u8,
}

impl Registers {
    /// The registers at `seconds` since 1970, in the format that register B tells. The day of the week is `turn` days
    /// ahead of the calendar's, of which 1 is Sunday.
    pub fn from_seconds(seconds: i64, turn: u8, format: u8) -> Self {
        let seconds = seconds.clamp(RANGE[0], RANGE[1]);
        let moment = UtcDateTime::from_unix_timestamp(seconds).unwrap_or(UtcDateTime::UNIX_EPOCH);
        let year = moment.year().unsigned_abs();
        let weekday = moment.weekday().number_days_from_sunday() + turn;
        Registers {
            second: encode(moment.second(), format),
            minute: encode(moment.minute(), format),
            hour: encode_hour(moment.hour(), format),
            weekday: weekday % 7 + 1,
            day: encode(moment.day(), format),
            month: encode(moment.month().into(), format),
            year: encode((year % 100) as u8, format),
            century: encode((year / 100) as u8, format),
        }
    }

    /// Seconds since 1970, and days that the day of the week is ahead of the calendar's. A value that is no date
    /// counts as the nearest one.
    pub fn to_seconds(self, format: u8) -> (i64, u8) {
        let century = i32::from(decode(self.century, format).min(99));
        let year = century * 100 + i32::from(decode(self.year, format).min(99));
        let month = decode(self.month, format).clamp(1, 12);
        let month = Month::try_from(month).unwrap_or(Month::January);
        let day = decode(self.day, format).clamp(1, month.length(year));
        let date =
            Date::from_calendar_date(year, month, day).unwrap_or(UtcDateTime::UNIX_EPOCH.date());
        let hour = decode_hour(self.hour, format).min(23);
        let minute = decode(self.minute, format).min(59);
        let second = decode(self.second, format).min(59);
        let time = Time::from_hms(hour, minute, second).unwrap_or(Time::MIDNIGHT);
        let moment = PrimitiveDateTime::new(date, time).as_utc();
        let calendar = moment.weekday().number_days_from_sunday() + 1;
        let turn = match self.weekday {
            1..=7 => (self.weekday + 7 - calendar) % 7,
            _ => 0,
        };
        (moment.unix_timestamp(), turn)
    }
}

/// Time of the alarm: each part is a value or, if `None`, any.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Alarm {
    hour: Option<u8>,
    minute: Option<u8>,
    second: Option<u8>,
}

impl Alarm {
    /// The alarm that these registers are set to; `None` if it never comes, as no time is like this.
    pub fn from_registers(ram: &[u8; 128], format: u8) -> Option<Self> {
        // Two bits above all values mean that any is meant.
        let part = |register: u8, decode: fn(u8, u8) -> u8| {
            let value = ram[usize::from(register)];
            (value < 0xc0).then(|| decode(value, format))
        };
        let alarm = Alarm {
            hour: part(register::HOUR_ALARM, decode_hour),
            minute: part(register::MINUTE_ALARM, decode),
            second: part(register::SECOND_ALARM, decode),
        };
        let possible = alarm.hour.is_none_or(|hour| hour < 24)
            && alarm.minute.is_none_or(|minute| minute < 60)
            && alarm.second.is_none_or(|second| second < 60);
        possible.then_some(alarm)
    }

    /// Seconds from `seconds` since 1970 to the alarm: at least one, at most a day.
    pub fn after(self, seconds: i64) -> u32 {
        let next = (seconds + 1).rem_euclid(DAY.into()) as u32;
        let (hour, minute, second) = (next / 3600, next / 60 % 60, next % 60);
        let is = |part: Option<u8>, value: u32| part.is_none_or(|part| u32::from(part) == value);
        let first = |part: Option<u8>| part.map_or(0, u32::from);
        // The rest of this minute, the rest of this hour, and then the first time in some hour to come.
        if is(self.hour, hour) {
            if is(self.minute, minute)
                && let Some(found) = (second..60).find(|second| is(self.second, *second))
            {
                return found - second + 1;
            }
            if let Some(found) = (minute + 1..60).find(|minute| is(self.minute, *minute)) {
                return (found - minute) * 60 + first(self.second) - second + 1;
            }
        }
        let ahead = (1..=24).find(|ahead| is(self.hour, (hour + ahead) % 24));
        let to_hour = ahead.unwrap_or(24) * 3600 - minute * 60 - second;
        to_hour + first(self.minute) * 60 + first(self.second) + 1
    }
}

fn encode(value: u8, format: u8) -> u8 {
    if format & format::BINARY != 0 {
        value
    } else {
        ((value / 10) << 4) | (value % 10)
    }
}

fn decode(value: u8, format: u8) -> u8 {
    if format & format::BINARY != 0 {
        value
    } else {
        (value >> 4) * 10 + (value & 0xf)
    }
}

/// In 12-hour mode bit 7 tells the afternoon, and midnight and noon are 12.
fn encode_hour(hour: u8, format: u8) -> u8 {
    if format & format::HOURS_24 != 0 {
        return encode(hour, format);
    }
    let afternoon = if hour >= 12 { 0x80 } else { 0 };
    encode((hour + 11) % 12 + 1, format) | afternoon
}

fn decode_hour(value: u8, format: u8) -> u8 {
    if format & format::HOURS_24 != 0 {
        return decode(value, format);
    }
    let afternoon = if value & 0x80 != 0 { 12 } else { 0 };
    match decode(value & 0x7f, format) {
        12 => afternoon,
        hour => hour + afternoon,
    }
}
