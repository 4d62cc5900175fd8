//! Codes that an authenticator app computes from the time and a shared secret: TOTP (RFC 6238) with SHA-1, six digits and steps of 30
//! seconds, which every app supports.
//!
//! A code of the step before or after the current one is accepted too (section 5.2: at most one step of drift). [`step_of`] returns the
//! step of a code, so that the calling code can reject later codes of the same or an earlier step.

use qrcode::QrCode;
use qrcode::render::svg;
use totp_rs::{Algorithm, Builder};
use zeroize::Zeroizing;

use crate::domain::clock::Timestamp;
use crate::domain::random::Random;
use crate::domain::secret::Code;
use crate::error::{Error, Result};

/// Length of a secret in bytes: 160 bits, as RFC 4226 recommends (section 4, R6).
const SECRET_LEN: usize = 20;
const DIGITS: u8 = 6;
const STEP: u64 = 30;
const SKEW: u16 = 1;
/// Maximum length of the issuer, and of the username, in the `otpauth` address, in characters.
const NAME_MAX: usize = 64;
/// Minimum width and height of a QR code, in pixels.
const QR_SIZE: u32 = 240;

/// The data that a user enters into an authenticator app. All fields are secret.
pub struct Enrollment {
    /// The secret in Base32, for users who type it in.
    pub secret: String,
    /// The `otpauth://totp/` address that the QR code contains.
    pub otpauth_url: String,
    /// The QR code, as an SVG picture.
    pub qr_svg: String,
}

impl std::fmt::Debug for Enrollment {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Enrollment(..)")
    }
}

/// Generates a TOTP secret.
///
/// # Errors
/// `Internal` if the source of randomness fails.
pub fn new_secret(random: &dyn Random) -> Result<Zeroizing<Vec<u8>>> {
    let mut secret = Zeroizing::new(vec![0; SECRET_LEN]);
    random.fill(&mut secret)?;
    Ok(secret)
}

/// Returns the data that the user `username` enters into an authenticator app.
///
/// # Errors
/// `Internal` if the address or the QR code can't be built.
pub fn enrollment(secret: &[u8], issuer: &str, username: &str) -> Result<Enrollment> {
    // In the address, a colon separates issuer and username, so colons in both become spaces. A QR code has limited room, so both are cut.
    let plain = |text: &str| text.chars().take(NAME_MAX).collect::<String>().replace(':', " ");
    let totp = builder(secret).with_issuer(Some(plain(issuer))).with_account_name(plain(username)).build();
    let totp = totp.map_err(Error::internal)?;
    let otpauth_url = totp.to_url().map_err(Error::internal)?;
    let qr = QrCode::new(&otpauth_url).map_err(Error::internal)?;
    let qr_svg = qr.render::<svg::Color<'_>>().min_dimensions(QR_SIZE, QR_SIZE).build();
    Ok(Enrollment { secret: totp.secret().to_base32(), otpauth_url, qr_svg })
}

/// Returns the step that a code belongs to: the current step, the step before or the step after. Returns `None` for a code of any other
/// step, and for any text other than six ASCII digits.
#[must_use]
pub fn step_of(code: &Code, secret: &[u8], now: Timestamp) -> Option<i64> {
    let code = code.expose();
    if code.len() != usize::from(DIGITS) || !code.bytes().all(|digit| digit.is_ascii_digit()) {
        return None;
    }
    let step = builder(secret).build_noncompliant().check(code, u64::try_from(now.timestamp()).ok()?)?;
    i64::try_from(step).ok()
}

fn builder(secret: &[u8]) -> Builder {
    Builder::new()
        .with_algorithm(Algorithm::SHA1)
        .with_digits(DIGITS)
        .with_skew(SKEW)
        .with_step_duration(STEP)
        .with_secret(secret.to_vec())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::clock::parse_iso;

    /// The last six digits of the SHA-1 rows in RFC 6238, appendix B.
    #[test]
    fn the_vectors_of_the_standard_come_out() {
        for (time, code, step) in [
            ("1970-01-01T00:00:59Z", "287082", 1),
            ("2005-03-18T01:58:29Z", "081804", 37_037_036),
            ("2005-03-18T01:58:31Z", "050471", 37_037_037),
            ("2009-02-13T23:31:30Z", "005924", 41_152_263),
            ("2033-05-18T03:33:20Z", "279037", 66_666_666),
            ("2603-10-11T11:33:20Z", "353130", 666_666_666),
        ] {
            let found = step_of(&Code::from(code.to_owned()), b"12345678901234567890", parse_iso(time).unwrap());
            assert_eq!(found, Some(step), "{time}");
        }
    }

    #[test]
    fn one_step_of_drift_is_borne_and_no_respelling() {
        let secret = b"12345678901234567890";
        let right = |code: &str, time: &str| step_of(&Code::from(code.to_owned()), secret, parse_iso(time).unwrap());
        // 287082 is the code of the seconds 30 to 59.
        for (second, expected) in
            [(0, Some(1)), (29, Some(1)), (30, Some(1)), (59, Some(1)), (60, Some(1)), (89, Some(1)), (90, None)]
        {
            let time = format!("1970-01-01T00:0{}:{:02}Z", second / 60, second % 60);
            assert_eq!(right("287082", &time), expected, "{second}");
        }
        for code in [
            "287082 ",
            " 287082",
            "287 082",
            "287082\n",
            "\t287082",
            "0287082",
            "28708",
            "+28708",
            "-87082",
            "2870820",
            "287082\0",
            "287082\u{200b}",
            "\u{ff12}87082",
            "\u{662}87082",
            "0x46166",
            "2.87082e5",
            "",
        ] {
            assert_eq!(right(code, "1970-01-01T00:00:45Z"), None, "{code:?}");
        }
    }

    #[test]
    fn a_device_can_take_it_over_whatever_the_names() {
        for name in ["ada", "a:b c/d?e=f&g", "\u{5bc6}\u{7801}", &"\u{1f511}".repeat(255)] {
            let taken = enrollment(&[7; SECRET_LEN], "key: tower", name).unwrap();
            assert!(taken.otpauth_url.starts_with("otpauth://totp/key%20%20tower:"), "{}", taken.otpauth_url);
            assert!(taken.otpauth_url.contains(&format!("secret={}", taken.secret)), "{}", taken.otpauth_url);
            assert!(taken.qr_svg.contains("<svg"));
        }
        assert_eq!(enrollment(&[0; SECRET_LEN], "k", "a").unwrap().secret, "A".repeat(32));
    }
}
