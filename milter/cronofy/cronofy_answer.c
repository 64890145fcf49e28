/* cronofy_answer: the table of Cronofy's answers. */
#include "cronofy_answer.h"

#include <stddef.h>

static const struct cronofy_meaning meanings[CRONOFY_ANSWERS] = {
	[CRONOFY_NO_ANSWER] =
		{
			.word = "none",
			.text = "it cannot be reached",
			.outcome = CANCEL_UNAVAILABLE,
			.try_again = true,
			.may_have_cancelled = true,
			.sign = BREAKER_AWAY,
		},
	[CRONOFY_CANCELLED] =
		{
			.word = "cancelled",
			.text = "it cancelled the invite",
			.outcome = CANCEL_DONE,
			.sign = BREAKER_ALIVE,
		},
	[CRONOFY_INVALID] =
		{
			.word = "invalid",
			.text = "it does not accept the request",
			.statuses = {422},
			.outcome = CANCEL_REFUSED,
			.may_be_cancelled = true,
			.sign = BREAKER_ALIVE,
		},
	[CRONOFY_UNKNOWN_INVITE] =
		{
			.word = "unknown_invite",
			.text = "it knows no such invite for this recipient",
			.statuses = {404, 410},
			.outcome = CANCEL_REFUSED,
			.may_be_cancelled = true,
			.sign = BREAKER_ALIVE,
		},
	[CRONOFY_SEVERAL_RECIPIENTS] =
		{
			.word = "several_recipients",
			.text = "the invite seems to have several recipients, and only an invite of "
				"one can be cancelled here; cancel it with Cronofy's API",
			.outcome = CANCEL_REFUSED,
			.may_be_cancelled = true,
			.sign = BREAKER_ALIVE,
		},
	[CRONOFY_BAD_KEY] =
		{
			.word = "bad_key",
			.text = "the API key is not known in this data center",
			.statuses = {401},
			.outcome = CANCEL_UNAVAILABLE,
			.needs_administrator = true,
			.sign = BREAKER_ALIVE,
		},
	[CRONOFY_PLAN] =
		{
			.word = "plan",
			.text = "the application's plan at Cronofy does not include this call",
			.statuses = {402},
			.outcome = CANCEL_UNAVAILABLE,
			.needs_administrator = true,
			.sign = BREAKER_ALIVE,
		},
	[CRONOFY_NOT_ALLOWED] =
		{
			.word = "not_allowed",
			.text = "the application's privileges at Cronofy do not allow this call",
			.statuses = {403},
			.outcome = CANCEL_UNAVAILABLE,
			.needs_administrator = true,
			.sign = BREAKER_ALIVE,
		},
	[CRONOFY_CREDENTIALS] =
		{
			.word = "credentials",
			.text = "the calendar provider's credentials are not valid",
			.statuses = {423},
			.outcome = CANCEL_UNAVAILABLE,
			.sign = BREAKER_ALIVE,
		},
	[CRONOFY_LIMIT] =
		{
			.word = "limit",
			.text = "the application is over its rate limit",
			.statuses = {429},
			.outcome = CANCEL_UNAVAILABLE,
			.try_again = true,
			.sign = BREAKER_ALIVE,
		},
	[CRONOFY_NOT_CRONOFY] =
		{
			.word = "not_cronofy",
			.text = "a proxy or firewall on the way answered in its place",
			.statuses = {400},
			.outcome = CANCEL_UNAVAILABLE,
			.needs_administrator = true,
			.sign = BREAKER_ALIVE,
		},
	[CRONOFY_TOO_EARLY] =
		{
			.word = "too_early",
			.text = "a proxy on the way asks for the call again",
			.statuses = {408, 425},
			.outcome = CANCEL_UNAVAILABLE,
			.try_again = true,
			.may_have_cancelled = true,
			.sign = BREAKER_UNKNOWN,
		},
	[CRONOFY_REDIRECT] =
		{
			.word = "redirect",
			.text = "it answered with a redirect, which is never followed",
			.outcome = CANCEL_UNAVAILABLE,
			.needs_administrator = true,
			.sign = BREAKER_ALIVE,
		},
	[CRONOFY_OUTAGE] =
		{
			.word = "outage",
			.text = "it has an outage",
			.outcome = CANCEL_UNAVAILABLE,
			.try_again = true,
			.may_have_cancelled = true,
			.sign = BREAKER_AWAY,
		},
	[CRONOFY_NO_CALENDAR] =
		{
			.word = "no_calendar",
			.text = "its reply holds no calendar",
			.outcome = CANCEL_UNAVAILABLE,
			.needs_administrator = true,
			.may_be_cancelled = true,
			.may_have_cancelled = true,
			.sign = BREAKER_ALIVE,
		},
	[CRONOFY_BAD_REPLY] =
		{
			.word = "bad_reply",
			.text = "it gave an answer that is not in its documentation",
			.outcome = CANCEL_UNAVAILABLE,
			.needs_administrator = true,
			.may_have_cancelled = true,
			.sign = BREAKER_ALIVE,
		},
	[CRONOFY_MISCONFIGURED] =
		{
			.word = "misconfigured",
			.text = "it cannot be called with this configuration",
			.outcome = CANCEL_UNAVAILABLE,
			.needs_administrator = true,
			.sign = BREAKER_UNKNOWN,
		},
	[CRONOFY_NOT_READ] =
		{
			.word = "not_read",
			.text = "the call could not be made or read here",
			.outcome = CANCEL_FAILED,
			.may_have_cancelled = true,
			.sign = BREAKER_UNKNOWN,
		},
};

const struct cronofy_meaning *cronofy_meaning(enum cronofy_answer answer)
{
	return &meanings[answer];
}

enum cronofy_answer cronofy_answer_of_status(long status)
{
	for (size_t i = 0; i < CRONOFY_ANSWERS; i++)
		for (size_t j = 0; j < sizeof(meanings[i].statuses) / sizeof(long); j++)
			if (meanings[i].statuses[j] == status && status != 0)
				return (enum cronofy_answer)i;
	if (status >= 300 && status < 400)
		return CRONOFY_REDIRECT;
	return status >= 500 ? CRONOFY_OUTAGE : CRONOFY_BAD_REPLY;
}
