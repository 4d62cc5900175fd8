//! Answers to security questions: each user has three answers, which are hashed like passwords and compared exactly.

use std::collections::BTreeSet;

use crate::app::App;
use crate::auth::password::Verdict;
use crate::domain::audit::Entry;
use crate::domain::customer::{ANSWERS, QUESTIONS};
use crate::domain::entity::USER;
use crate::domain::id::{UserId, uuid_v7};
use crate::domain::operation::Operation;
use crate::domain::permit::Permit;
use crate::domain::reason::{ANSWER_MAX, Reason};
use crate::domain::secret::Password;
use crate::domain::text::text;
use crate::error::{Error, Result};
use crate::service::access::own_session;

/// Sets the caller's answers to security questions, in place of earlier answers.
///
/// # Errors
/// - `Invalid` if there are not exactly three different known questions, or the answers are empty, too long or not different.
/// - `Forbidden` if the caller authenticated with an API key.
/// - `StepUp` if the second factor was not proven recently.
/// - `Unavailable` if the database is unreachable.
pub async fn update(app: &App, permit: &Permit, questions: &[i64], answers: Vec<Password>) -> Result<()> {
    let permit = permit.require(Operation::UpdateSecurityAnswers)?;
    let (_, user) = own_session(&permit)?;
    if questions.len() != ANSWERS || questions.iter().collect::<BTreeSet<_>>().len() != ANSWERS {
        return Err(Error::refused_change(Reason::QuestionsNotDifferent));
    }
    let different: BTreeSet<&str> = answers.iter().map(Password::expose).filter(|answer| !answer.is_empty()).collect();
    if answers.len() != ANSWERS || different.len() != ANSWERS || different.iter().any(|it| it.len() > ANSWER_MAX) {
        return Err(Error::refused_change(Reason::AnswersNotDifferent));
    }
    let valid = |question: &i64| usize::try_from(*question).is_ok_and(|at| (1..=QUESTIONS.len()).contains(&at));
    if !questions.iter().all(valid) {
        return Err(Error::refused_change(Reason::UnknownQuestion));
    }
    let now = app.now();
    let mut rows = Vec::new();
    for (question, answer) in questions.iter().zip(answers) {
        let id = uuid_v7(now, app.random.as_ref())?.to_string();
        let hash = app.passwords.hash(answer, app.random.as_ref()).await?;
        rows.push((i32::try_from(*question).map_err(Error::internal)?, id, hash));
    }
    let tx = app.begin(&permit).await?;
    tx.put_answers(&user, rows, now).await?;
    tx.note(Entry::done(text!("security answers set", "已设置安全问题答案")).of(USER.name, &user));
    tx.commit().await
}

/// Returns the numbers of the questions that a user has answered.
///
/// # Errors
/// `Unavailable` if the database is unreachable.
pub(in crate::service) async fn which(app: &App, user: &UserId) -> Result<Vec<i64>> {
    Ok(app.store.answers_of(user).await?.into_iter().map(|answer| answer.question).collect())
}

/// Tells whether `answer` is the user's answer to a question.
///
/// # Errors
/// `Unavailable` if the database is unreachable.
pub(in crate::service) async fn is_right(app: &App, user: &UserId, question: i64, answer: Password) -> Result<bool> {
    let stored = app.store.answers_of(user).await?.into_iter().find(|known| known.question == question);
    let verdict = app.passwords.verify(answer, stored.map(|known| known.hash)).await?;
    Ok(verdict != Verdict::Wrong)
}
