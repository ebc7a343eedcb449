"""Answers to the questions of a posting."""

import difflib
from collections.abc import Sequence

from app.applications.schemas import Answer
from app.errors import FieldError, Invalid
from app.jobs.schemas import Question


def checked(questions: Sequence[Question], answers: Sequence[Answer]) -> tuple[Answer, ...]:
    """The answers in the order of the questions.

    Raises Invalid for an answer to no question, for a second one to the same, and for a required one that is missing.
    """
    asked = {each.text: each for each in questions}
    given: dict[str, Answer] = {}
    problems: list[FieldError] = []
    for number, each in enumerate(answers):
        field = f"answers.{number}.question"
        if each.question not in asked:
            alike = difflib.get_close_matches(each.question, asked, n=1)
            problems.append(FieldError(field, "unknown", "the posting does not ask this", *alike))
        elif each.question in given:
            problems.append(FieldError(field, "repeated", "this question is answered twice"))
        given[each.question] = each
    missing = [text for text, each in asked.items() if each.required and text not in given]
    problems += [FieldError("answers", "required", f"an answer is missing: {text}") for text in missing]
    if problems:
        raise Invalid(problems)
    return tuple(given[text] for text in asked if text in given)
