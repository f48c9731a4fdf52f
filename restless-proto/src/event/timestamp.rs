//! An event's timestamp as a number.

/// Returns a timestamp as Unix milliseconds, rounded down; `None` for a text that is no timestamp.
///
/// Reads the plain forms of ISO 8601: a date, and after the date, if there is more, `T`, `t` or a
/// space and a time.
///
/// | part | forms |
/// | --- | --- |
/// | date | `2026-03-24`, `20260324`, `2026-W13-2`, `2026W132`, `2026-W13`, `2026W13` (that week's Monday) |
/// | time | `10`, `10:20`, `1020`, `10:20:30`, `102030`, the seconds with a fraction after `.` or `,` |
/// | zone | `Z`, `+05:30`, `+0530`, `+05`, or `-` likewise; UTC where there is none |
///
/// Years are 0001 to 9999. Hours end at 23, and seconds at 59.
///
/// ```
/// use restless_proto::event::timestamp::unix_ms;
///
/// assert_eq!(unix_ms("2026-06-07T00:49:36.562+00:00"), Some(1_780_793_376_562));
/// assert_eq!(unix_ms("1969-12-31T23:59:59.9995Z"), Some(-1));
/// assert_eq!(unix_ms("soon"), None);
/// ```
pub fn unix_ms(text: &str) -> Option<i64> {
    let mut reader = Reader { rest: text.as_bytes() };
    let days = reader.date()?;
    let ms = if reader.rest.is_empty() { 0 } else { reader.time_and_zone()? };
    reader.rest.is_empty().then_some(days * DAY_MS + ms)
}

const SECOND_MS: i64 = 1000;
const MINUTE_MS: i64 = 60 * SECOND_MS;
const HOUR_MS: i64 = 60 * MINUTE_MS;
const DAY_MS: i64 = 24 * HOUR_MS;

struct Reader<'a> {
    rest: &'a [u8],
}

impl Reader<'_> {
    /// Returns the days from 1970-01-01 on.
    fn date(&mut self) -> Option<i64> {
        let year = self.digits::<4>()?;
        if year == 0 {
            return None;
        }
        let separated = self.skip(b'-');
        if self.skip(b'W') {
            return self.week_date(year, separated);
        }
        let month = self.digits::<2>()?;
        if separated && !self.skip(b'-') {
            return None;
        }
        let day = self.digits::<2>()?;
        let exists = (1..=12).contains(&month) && (1..=days_in_month(year, month)).contains(&day);
        exists.then(|| days_from_civil(year, month, day))
    }

    /// Reads what follows the `W` of a week date. Week 1 is the week of January 4th.
    fn week_date(&mut self, year: i64, separated: bool) -> Option<i64> {
        let week = self.digits::<2>()?;
        let has_day = if separated {
            self.skip(b'-')
        } else {
            // Digits that go on are a time without a separator before it.
            self.rest.first().is_some_and(u8::is_ascii_digit)
        };
        let day = if has_day { self.digits::<1>()? } else { 1 };
        let start = week_year_start(year);
        let weeks = (week_year_start(year + 1) - start) / 7;
        let exists = (1..=weeks).contains(&week) && (1..=7).contains(&day);
        let days = start + 7 * (week - 1) + day - 1;
        // The last days of the year 9999's last week are in the year 10000.
        (exists && days < days_from_civil(10_000, 1, 1)).then_some(days)
    }

    /// Returns the milliseconds from the day's start in UTC on, which another zone moves out of the
    /// day.
    fn time_and_zone(&mut self) -> Option<i64> {
        if !(self.skip(b'T') || self.skip(b't') || self.skip(b' ')) {
            return None;
        }
        let time = self.time()?;
        let sign = match self.rest.first() {
            None => return Some(time),
            Some(b'Z') => 0,
            Some(b'+') => -1,
            Some(b'-') => 1,
            Some(_) => return None,
        };
        self.rest = self.rest.get(1..)?;
        if sign == 0 {
            return Some(time);
        }
        let (offset, _) = self.hours_and_minutes()?;
        Some(time + sign * offset)
    }

    fn time(&mut self) -> Option<i64> {
        let (time, style) = self.hours_and_minutes()?;
        let has_seconds = match style {
            Style::HoursOnly => false,
            Style::Separated => self.skip(b':'),
            Style::Plain => self.rest.first().is_some_and(u8::is_ascii_digit),
        };
        if !has_seconds {
            return Some(time);
        }
        let second = self.digits::<2>().filter(|&second| second < 60)?;
        let fraction = if self.skip(b'.') || self.skip(b',') { self.fraction_ms()? } else { 0 };
        Some(time + second * SECOND_MS + fraction)
    }

    fn hours_and_minutes(&mut self) -> Option<(i64, Style)> {
        let hour = self.digits::<2>().filter(|&hour| hour < 24)?;
        let style = match self.rest.first() {
            Some(b':') => {
                self.skip(b':');
                Style::Separated
            }
            Some(b'0'..=b'9') => Style::Plain,
            _ => return Some((hour * HOUR_MS, Style::HoursOnly)),
        };
        let minute = self.digits::<2>().filter(|&minute| minute < 60)?;
        Some((hour * HOUR_MS + minute * MINUTE_MS, style))
    }

    /// Reads one digit or more, of which three count.
    fn fraction_ms(&mut self) -> Option<i64> {
        let len = self.rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
        let (digits, rest) = self.rest.split_at_checked(len)?;
        self.rest = rest;
        let places = [100, 10, 1];
        let digits_ms = digits.iter().zip(places).map(|(digit, ms)| i64::from(digit - b'0') * ms);
        (len > 0).then(|| digits_ms.sum())
    }

    #[inline(always)]
    fn digits<const COUNT: usize>(&mut self) -> Option<i64> {
        let (digits, rest) = self.rest.split_first_chunk::<COUNT>()?;
        self.rest = rest;
        let (mut number, mut is_number) = (0, true);
        for byte in digits {
            let digit = byte.wrapping_sub(b'0');
            is_number &= digit < 10;
            number = number * 10 + i64::from(digit);
        }
        is_number.then_some(number)
    }

    #[inline(always)]
    fn skip(&mut self, mark: u8) -> bool {
        match self.rest {
            [first, rest @ ..] if *first == mark => {
                self.rest = rest;
                true
            }
            _ => false,
        }
    }
}

/// How a time's parts are set apart.
#[derive(Clone, Copy)]
enum Style {
    HoursOnly,
    Separated,
    Plain,
}

fn days_in_month(year: i64, month: i64) -> i64 {
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    match month {
        2 => 28 + i64::from(leap),
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Returns the days from 1970-01-01 to a date of the proleptic Gregorian calendar.
///
/// The year is taken to start in March, so that a leap day is its last day; `month` counts from 0
/// then, and 153 days in every five months give the days before the month.
fn days_from_civil(year: i64, month: i64, day: i64) -> i64 {
    let year = if month > 2 { year } else { year - 1 };
    let month = (month + 9) % 12;
    let leap_days = year.div_euclid(4) - year.div_euclid(100) + year.div_euclid(400);
    let day_of_year = (153 * month + 2) / 5 + day - 1;
    // From 0000-03-01 to 1970-01-01 there are 719,468 days.
    365 * year + leap_days + day_of_year - 719_468
}

/// Returns the Monday of week 1.
fn week_year_start(year: i64) -> i64 {
    let january_4 = days_from_civil(year, 1, 4);
    // 1970-01-01 was a Thursday.
    january_4 - (january_4 + 3).rem_euclid(7)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_number_rises_by_one_from_day_to_day_through_all_years() {
        let mut due = days_from_civil(1, 1, 1);
        assert_eq!(due, -719_162);
        for year in 1..=9999 {
            for month in 1..=12 {
                for day in 1..=days_in_month(year, month) {
                    assert_eq!(days_from_civil(year, month, day), due, "{year}-{month}-{day}");
                    due += 1;
                }
            }
        }
        assert_eq!(due, days_from_civil(10_000, 1, 1));
    }

    #[test]
    fn a_week_is_counted_from_the_first_with_a_thursday_in_the_year() {
        for (week, day) in [
            ("2026-W01-1", "2025-12-29"),
            ("2026-W53-7", "2027-01-03"),
            ("2027-W01-1", "2027-01-04"),
            ("2020W537", "2021-01-03"),
            ("0001-W01-1", "0001-01-01"),
            ("9999-W52-5", "9999-12-31"),
            ("2026-W13", "2026-03-23"),
            ("2026W13T10Z", "2026-03-23T10Z"),
            ("2026-W13-2T10:20:30", "2026-03-24T10:20:30"),
        ] {
            assert!(unix_ms(day).is_some());
            assert_eq!(unix_ms(week), unix_ms(day), "{week}");
        }
        for none in ["2027-W53-1", "2026-W00-1", "2026-W01-0", "2026-W01-8", "9999-W52-6"] {
            assert_eq!(unix_ms(none), None, "{none}");
        }
    }

    #[test]
    fn a_zone_moves_the_time_out_of_its_day() {
        assert_eq!(unix_ms("1970-01-01T01:30+02:00"), Some(-30 * MINUTE_MS));
        assert_eq!(unix_ms("1970-01-01T23:30-0100"), Some(DAY_MS + 30 * MINUTE_MS));
        assert_eq!(unix_ms("0001-01-01T00:00+23:59"), Some(-62_135_683_140_000));
    }

    #[test]
    fn a_fraction_is_cut_after_the_millisecond() {
        for (fraction, ms) in [("0", 0), ("0009", 0), ("5", 500), ("9999999999", 999)] {
            assert_eq!(unix_ms(&format!("1970-01-01T00:00:00.{fraction}")), Some(ms));
        }
    }

    #[test]
    fn a_text_cut_short_or_gone_on_with_is_no_timestamp() {
        let whole = "2026-03-24T00:00:00.5+01:00";
        let good = [10, 13, 16, 19, 21, 24, 27];
        for len in 0..whole.len() {
            assert_eq!(unix_ms(&whole[..len]).is_some(), good.contains(&len), "{}", &whole[..len]);
        }
        assert_eq!(unix_ms(&format!("{whole}0")), None);
    }
}
