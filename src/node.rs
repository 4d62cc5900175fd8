//! Whether this node is active or passive (contract section 7).
//!
//! The setting `passive` applies until the operator runs `keytower node passive` or `keytower node active`. These commands put an empty
//! file into the data folder. For every request, the node checks for that file with one system call, so a change takes effect at once.

use std::fs::{self, File};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use crate::error::{Error, Result};

/// The state of a node, active or passive. Commands can change the state while the node runs.
#[derive(Debug)]
pub struct Node {
    folder: PathBuf,
    setting: bool,
    was_passive: AtomicBool,
}

impl Node {
    /// Reads the state from a data folder; `setting` says whether the node is passive as long as no command has changed the state.
    #[must_use]
    pub fn new(folder: &Path, setting: bool) -> Self {
        let node = Self { folder: folder.to_owned(), setting, was_passive: AtomicBool::new(setting) };
        node.was_passive.store(node.look().unwrap_or(setting), Ordering::Relaxed);
        node
    }

    /// Returns true if the node is passive now. If the data folder can't be read, the last known state applies.
    #[must_use]
    pub fn is_passive(&self) -> bool {
        let was = self.was_passive.load(Ordering::Relaxed);
        match self.look() {
            Ok(passive) => {
                if self.was_passive.swap(passive, Ordering::Relaxed) != passive {
                    tracing::info!("this node is {} now", word(passive));
                }
                passive
            }
            Err(error) => {
                tracing::warn!(%error, "whether this node is passive can't be read: it stays {}", word(was));
                was
            }
        }
    }

    /// Reads the state. Checks only for the file that contradicts the setting: one file appears or disappears at once, but a check of two
    /// files could see only half of a change.
    fn look(&self) -> std::io::Result<bool> {
        Ok(marker(&self.folder, !self.setting).try_exists()? != self.setting)
    }

    /// Makes the node active or passive. The change is on disk when this returns, and survives a restart.
    ///
    /// # Errors
    /// `Invalid` if the data folder does not exist or can't be written to.
    pub fn set(&self, passive: bool) -> Result<()> {
        let change = || {
            File::create(marker(&self.folder, passive))?.sync_all()?;
            match fs::remove_file(marker(&self.folder, !passive)) {
                Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
                _ => {}
            }
            File::open(&self.folder)?.sync_all()
        };
        self.expect_folder()?;
        change().map_err(|error| {
            Error::invalid(format!("the node can't be made {}: {}: {error}", word(passive), self.folder.display()))
        })
    }

    /// Describes in words whether the node is active or passive, and whether a command or the setting decided that.
    ///
    /// # Errors
    /// `Invalid` if the data folder does not exist.
    pub fn status(&self) -> Result<String> {
        self.expect_folder()?;
        let passive = self.is_passive();
        let said = match marker(&self.folder, passive).exists() {
            true => format!("`keytower node {}` said so", word(passive)),
            false => format!("the setting passive is {}", self.setting),
        };
        Ok(format!("{}: {said}", word(passive)))
    }

    fn expect_folder(&self) -> Result<()> {
        let shown = self.folder.display();
        match fs::metadata(&self.folder) {
            Ok(found) if found.is_dir() => Ok(()),
            Ok(_) => Err(Error::invalid(format!("the data folder {shown} is no folder"))),
            Err(error) => Err(Error::invalid(format!(
                "the data folder {shown} can't be used: {error}. Run this with the configuration of the node: its data_dir."
            ))),
        }
    }
}

/// Returns the path of the file that makes the node active or passive.
fn marker(folder: &Path, passive: bool) -> PathBuf {
    folder.join(format!("node.{}", word(passive)))
}

/// Returns "passive" or "active".
#[must_use]
pub fn word(passive: bool) -> &'static str {
    if passive { "passive" } else { "active" }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_command_wins_over_the_setting_and_stays() {
        for setting in [false, true] {
            let folder = tempfile::tempdir().unwrap();
            let running = Node::new(folder.path(), setting);
            assert_eq!(running.is_passive(), setting);
            for passive in [true, true, false, false, true, false] {
                Node::new(folder.path(), setting).set(passive).unwrap();
                assert_eq!(running.is_passive(), passive);
                let again = Node::new(folder.path(), setting);
                assert_eq!((again.was_passive.load(Ordering::Relaxed), again.is_passive()), (passive, passive));
                // After a command, a start with the other setting no longer changes the state.
                assert_eq!(Node::new(folder.path(), !setting).is_passive(), passive);
                assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
            }
        }
    }

    #[test]
    fn a_folder_that_is_none_is_refused_and_not_made() {
        let folder = tempfile::tempdir().unwrap();
        let (missing, file) = (folder.path().join("missing"), folder.path().join("file"));
        fs::write(&file, "").unwrap();
        for path in [&missing, &file] {
            let node = Node::new(path, false);
            for refusal in [node.set(true).unwrap_err(), node.set(false).unwrap_err(), node.status().unwrap_err()] {
                assert!(refusal.public().contains(&path.display().to_string()), "{refusal:?}");
            }
        }
        assert!(!missing.exists());
    }

    #[test]
    fn a_folder_that_can_not_be_looked_at_changes_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let data = folder.path().join("data");
        fs::create_dir(&data).unwrap();
        for passive in [true, false] {
            let node = Node::new(&data, false);
            node.set(passive).unwrap();
            assert_eq!(node.is_passive(), passive);
            // With a file in place of the folder, the error is "not a directory", not "not found".
            let aside = folder.path().join("aside");
            fs::rename(&data, &aside).unwrap();
            fs::write(&data, "").unwrap();
            assert_eq!(node.is_passive(), passive);
            fs::remove_file(&data).unwrap();
            fs::rename(&aside, &data).unwrap();
        }
    }
}
