/*
 * milter_load: the MTA's side of the milter protocol, as fast as a filter lets it.
 *
 *	milter_load SOCKET_PATH CONNECTIONS MESSAGES
 *
 * Each connection negotiates once, as Postfix does for an SMTP session, and then sends untagged
 * messages that the filter must accept at the end of their headers. Bytes are written as Postfix
 * writes them: what needs no answer waits for what does, and the envelope, which comes from another
 * process than the content, goes by itself. Prints {"messages": N, "seconds": S}; connecting and
 * negotiating are not in the time.
 */
#include "buffer.h"

#include <arpa/inet.h>
#include <libmilter/mfapi.h>
#include <libmilter/mfdef.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sysexits.h>
#include <time.h>
#include <unistd.h>

#define STAGES (SMFIM_LAST + 1)
#define STOPS_MAXIMUM 64
#define CONNECTIONS_MAXIMUM 1000
#define PACKET_MAXIMUM 4096 /* bytes, of an answer */

/* Where Postfix would write what it has, and the answer that it then waits for; '\0' for none. */
struct stop {
	size_t end;
	char answer;
};

struct script {
	struct buffer bytes;
	struct stop stops[STOPS_MAXIMUM];
	size_t count;
};

struct session {
	pthread_t thread;
	int socket;
	uint32_t steps;             /* what the filter negotiated */
	const char *macros[STAGES]; /* names, in `symbols` or the usual ones */
	char symbols[PACKET_MAXIMUM];
	struct script opening;
	struct script message;
	size_t messages;
};

static pthread_barrier_t all_ready;

static _Noreturn void give_up(const char *what)
{
	fprintf(stderr, "milter_load: %s\n", what);
	exit(EX_PROTOCOL);
}

/* ---- what is sent ---- */

static const struct {
	const char *name, *value;
} macro_values[] = {
	{"j", "mx.example.test"},
	{"v", "Postfix 3.7.11"},
	{"_", "app.example.test [192.0.2.10]"},
	{"i", "4SmXyZ1pQkz9vL"},
	{"{daemon_name}", "mx.example.test"},
	{"{daemon_addr}", "192.0.2.1"},
	{"{mail_addr}", "robot@acme.example"},
	{"{mail_host}", "acme.example"},
	{"{mail_mailer}", "smtp"},
	{"{rcpt_addr}", "ann@example.com"},
	{"{rcpt_host}", "example.com"},
	{"{rcpt_mailer}", "smtp"},
};

/* Postfix's, if the filter asks for no others. */
static const char *const usual_macros[STAGES] = {
	[SMFIM_CONNECT] = "j {daemon_name} {daemon_addr} v _",
	[SMFIM_HELO] = "{tls_version}",
	[SMFIM_ENVFROM] = "i {auth_authen} {mail_addr} {mail_host} {mail_mailer}",
	[SMFIM_ENVRCPT] = "i {rcpt_addr} {rcpt_host} {rcpt_mailer}",
	[SMFIM_DATA] = "i",
	[SMFIM_EOM] = "i",
	[SMFIM_EOH] = "i",
};

static const char *const headers[][2] = {
	{"Received", "from app.example.test (app.example.test [192.0.2.10])\n\tby mx.example.test "
		     "(Postfix) with ESMTPSA id 4SmXyZ1pQkz9vL\n\tfor <ann@example.com>; "
		     "Mon, 27 Apr 2026 09:30:01 +0000 (UTC)"},
	{"DKIM-Signature",
	 "v=1; a=rsa-sha256; c=relaxed/relaxed; d=acme.example;\n\ts=mail2026; t=1777282200; "
	 "h=from:to:subject:date:message-id:mime-version:content-type;\n\t"
	 "bh=frcCV1k9oG9oKj3dpUqdJg1PxRT2RSN/XKdLCPjaYaY=;\n\tb=dzdVyOfAKCdLXdJOc9G2q8LoXSlEniSbav"
	 "+yuU4zGeeruD00lszZVoG4ZHRNiYzR\n\t 8bLpEZyTuB3yFv4D6cNQlIj0iOeM2rQk7yVd3sY1xWm9hTgA5uKoP"
	 "fZbJ4nC6wEq\n\t QxRk2vLmN8sHtUaDcGy1pIeXoWjZ7bFg5KlT0hV3nM9rY4uS6iPqA=="},
	{"Received", "from worker-7.acme.example (unknown [10.11.12.13])\n\t"
		     "by app.example.test with ESMTP; Mon, 27 Apr 2026 09:30:00 +0000"},
	{"From", "\"Acme, Inc.\" <robot@acme.example>"},
	{"Sender", "robot@acme.example"},
	{"Reply-To", "Acme Customer Care <care@acme.example>"},
	{"To", "Ann Example <ann@example.com>"},
	{"Subject", "=?UTF-8?Q?Your_order_of_Monday=2C_27_April=3A_on_its_way_=E2=9C=93?="},
	{"Date", "Mon, 27 Apr 2026 09:30:00 +0000"},
	{"Message-ID", "<20260427093000.4711.0815.robot@worker-7.acme.example>"},
	{"MIME-Version", "1.0"},
	{"Content-Type", "multipart/alternative;\n\tboundary=\"----=_Part_4711_815.17772822000\""},
	{"Content-Transfer-Encoding", "8bit"},
	{"List-Id", "Orders <orders.acme.example>"},
	{"List-Unsubscribe", "<https://acme.example/u/4711-0815>, <mailto:u@acme.example>"},
	{"List-Unsubscribe-Post", "List-Unsubscribe=One-Click"},
	{"Auto-Submitted", "auto-generated"},
	{"Feedback-ID", "4711:orders:acme"},
	{"X-Mailer", "Acme Courier 7.2"},
	{"X-Acme-Order", "4711-0815"},
};

static void append_length(struct buffer *bytes, size_t length)
{
	const uint32_t number = htonl((uint32_t)length);

	buffer_append(bytes, (const char *)&number, sizeof(number));
}

/* Texts go with their NULs. */
static void append_packet(struct script *script, char command, const char *const *texts,
			  size_t count)
{
	size_t length = 1;

	for (size_t i = 0; i < count; i++)
		length += strlen(texts[i]) + 1;
	append_length(&script->bytes, length);
	buffer_append(&script->bytes, &command, 1);
	for (size_t i = 0; i < count; i++)
		buffer_append(&script->bytes, texts[i], strlen(texts[i]) + 1);
}

static void stop_for(struct script *script, char answer)
{
	if (script->count == STOPS_MAXIMUM)
		give_up("too many answers in one script");
	script->stops[script->count++] = (struct stop){script->bytes.length, answer};
}

static bool lists(const char *names, const char *name)
{
	const size_t length = strlen(name);

	for (const char *at = names; (at = strstr(at, name)) != NULL; at += length)
		if ((at == names || at[-1] == ' ') && (at[length] == ' ' || at[length] == '\0'))
			return true;
	return false;
}

/* Even if there are none, and before every header: so does Postfix. */
static void append_macros(const struct session *session, struct script *script, int stage,
			  char command)
{
	const char *texts[2 * sizeof(macro_values) / sizeof(macro_values[0])];
	struct script packet = {.bytes = buffer_with_maximum(PACKET_MAXIMUM)};
	size_t count = 0;

	for (size_t i = 0; i < sizeof(macro_values) / sizeof(macro_values[0]); i++) {
		if (!lists(session->macros[stage], macro_values[i].name))
			continue;
		texts[count++] = macro_values[i].name;
		texts[count++] = macro_values[i].value;
	}
	/* The step that they belong to stands before them. */
	append_packet(&packet, SMFIC_MACRO, texts, count);
	append_length(&script->bytes, packet.bytes.length - 4 + 1);
	buffer_append(&script->bytes, packet.bytes.data + 4, 1);
	buffer_append(&script->bytes, &command, 1);
	buffer_append(&script->bytes, packet.bytes.data + 5, packet.bytes.length - 5);
	buffer_free(&packet.bytes);
}

/*
 * A step, unless the filter does not want it, and its answer, unless it gives none. The macros go
 * in any case.
 */
static void append_step(const struct session *session, struct script *script, char command,
			const char *const *texts, size_t count, int stage, unsigned long unwanted,
			unsigned long unanswered)
{
	append_macros(session, script, stage, command);
	if (session->steps & unwanted)
		return;
	append_packet(script, command, texts, count);
	if (!(session->steps & unanswered))
		stop_for(script, SMFIR_CONTINUE);
}

static void append_connect(const struct session *session, struct script *script)
{
	static const char tail[] = "4\xc3\x50" "192.0.2.10"; /* IPv4, port 50000 */
	static const char host[] = "app.example.test";

	append_macros(session, script, SMFIM_CONNECT, SMFIC_CONNECT);
	if (session->steps & SMFIP_NOCONNECT)
		return;
	append_length(&script->bytes, 1 + sizeof(host) + sizeof(tail));
	buffer_append_text(&script->bytes, "C");
	buffer_append(&script->bytes, host, sizeof(host));
	buffer_append(&script->bytes, tail, sizeof(tail));
	if (!(session->steps & SMFIP_NR_CONN))
		stop_for(script, SMFIR_CONTINUE);
}

static void write_scripts(struct session *session)
{
	const char *space = session->steps & SMFIP_HDR_LEADSPC ? " " : "";
	struct script *opening = &session->opening, *message = &session->message;

	opening->bytes = message->bytes = buffer_with_maximum((size_t)64 * 1024);
	append_connect(session, opening);
	append_step(session, opening, SMFIC_HELO, (const char *const[]){"app.example.test"}, 1,
		    SMFIM_HELO, SMFIP_NOHELO, SMFIP_NR_HELO);
	stop_for(opening, '\0');

	/* So Postfix ends the message before, which was accepted before its end. */
	append_packet(message, SMFIC_ABORT, NULL, 0);
	append_step(session, message, SMFIC_MAIL,
		    (const char *const[]){"<robot@acme.example>", "SIZE=5120", "BODY=8BITMIME"}, 3,
		    SMFIM_ENVFROM, SMFIP_NOMAIL, SMFIP_NR_MAIL);
	append_step(session, message, SMFIC_RCPT, (const char *const[]){"<ann@example.com>"}, 1,
		    SMFIM_ENVRCPT, SMFIP_NORCPT, SMFIP_NR_RCPT);
	append_step(session, message, SMFIC_DATA, NULL, 0, SMFIM_DATA, SMFIP_NODATA, SMFIP_NR_DATA);
	stop_for(message, '\0');
	for (size_t i = 0; i < sizeof(headers) / sizeof(headers[0]); i++) {
		char value[1024];

		snprintf(value, sizeof(value), "%s%s", space, headers[i][1]);
		append_step(session, message, SMFIC_HEADER,
			    (const char *const[]){headers[i][0], value}, 2, SMFIM_EOH,
			    SMFIP_NOHDRS, SMFIP_NR_HDR);
	}
	append_macros(session, message, SMFIM_EOH, SMFIC_EOH);
	append_packet(message, SMFIC_EOH, NULL, 0);
	stop_for(message, SMFIR_ACCEPT);
	if (opening->bytes.failed || message->bytes.failed)
		give_up("no memory");
}

/* ---- sending it ---- */

static void write_all(int socket, const char *data, size_t length)
{
	while (length > 0) {
		ssize_t n = send(socket, data, length, MSG_NOSIGNAL);

		if (n < 0)
			give_up("the filter hung up");
		data += n;
		length -= (size_t)n;
	}
}

/* Reads one answer, which nothing may follow; gives its length. */
static size_t read_packet(int socket, char *packet)
{
	size_t have = 0;
	uint32_t length = 0;

	while (have < sizeof(length) || have < sizeof(length) + length) {
		ssize_t n = recv(socket, packet + have, PACKET_MAXIMUM - have, 0);

		if (n <= 0)
			give_up("the filter hung up");
		have += (size_t)n;
		if (have < sizeof(length))
			continue;
		memcpy(&length, packet, sizeof(length));
		length = ntohl(length);
		if (length == 0 || length > PACKET_MAXIMUM - sizeof(length))
			give_up("an answer of impossible length");
	}
	if (have > sizeof(length) + length)
		give_up("an answer that nobody waits for");
	memmove(packet, packet + sizeof(length), length);
	return length;
}

static void play(int socket, const struct script *script)
{
	size_t at = 0;

	for (size_t i = 0; i < script->count; i++) {
		const struct stop *stop = &script->stops[i];
		char packet[PACKET_MAXIMUM];

		write_all(socket, script->bytes.data + at, stop->end - at);
		at = stop->end;
		if (!stop->answer)
			continue;
		read_packet(socket, packet);
		if (packet[0] != stop->answer) {
			fprintf(stderr, "milter_load: the filter answers '%c' in place of '%c'\n",
				packet[0], stop->answer);
			exit(EX_PROTOCOL);
		}
	}
}

static uint32_t number_at(const char *bytes)
{
	uint32_t number;

	memcpy(&number, bytes, sizeof(number));
	return ntohl(number);
}

/* Offers all that Postfix offers; keeps what the filter takes, and the macros that it asks for. */
static void negotiate(struct session *session)
{
	const uint32_t offer[] = {
		htonl(13), htonl(6), htonl(SMFI_CURR_ACTS), htonl(SMFI_CURR_PROT)};
	char packet[1 + sizeof(offer)];
	size_t length;

	memcpy(packet, offer, 4);
	packet[4] = SMFIC_OPTNEG;
	memcpy(packet + 5, offer + 1, 12);
	write_all(session->socket, packet, sizeof(packet));
	length = read_packet(session->socket, session->symbols);
	if (session->symbols[0] != SMFIC_OPTNEG || length < 13)
		give_up("the filter does not negotiate");
	session->steps = number_at(session->symbols + 9);
	memcpy(session->macros, usual_macros, sizeof(usual_macros));
	for (size_t at = 13; at + 4 < length;) {
		const uint32_t stage = number_at(session->symbols + at);
		const char *names = session->symbols + at + 4;

		if (stage >= STAGES || !memchr(names, '\0', length - at - 4))
			give_up("the filter asks for macros of no stage");
		session->macros[stage] = names;
		at += 4 + strlen(names) + 1;
	}
}

static void connect_to(struct session *session, const char *path)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};

	snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
	session->socket = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (session->socket < 0 ||
	    connect(session->socket, (struct sockaddr *)&address, sizeof(address)) != 0)
		give_up("nobody listens there");
}

static void *run(void *context)
{
	struct session *session = context;

	negotiate(session);
	write_scripts(session);
	play(session->socket, &session->opening);
	play(session->socket, &session->message); /* whatever is done once is done */
	pthread_barrier_wait(&all_ready);
	for (size_t i = 0; i < session->messages; i++)
		play(session->socket, &session->message);
	return NULL;
}

static double now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

int main(int count, char **arguments)
{
	const unsigned long connections = count == 4 ? strtoul(arguments[2], NULL, 10) : 0;
	const size_t messages = count == 4 ? strtoul(arguments[3], NULL, 10) : 0;
	struct session *sessions;
	double begun;

	if (connections == 0 || connections > CONNECTIONS_MAXIMUM || messages < connections) {
		fputs("usage: milter_load SOCKET_PATH CONNECTIONS MESSAGES\n", stderr);
		return EX_USAGE;
	}
	sessions = calloc(connections, sizeof(*sessions));
	if (!sessions)
		return EX_OSERR;
	pthread_barrier_init(&all_ready, NULL, (unsigned int)connections + 1);
	for (size_t i = 0; i < connections; i++) {
		sessions[i].messages = messages / connections + (i < messages % connections);
		connect_to(&sessions[i], arguments[1]);
		if (pthread_create(&sessions[i].thread, NULL, run, &sessions[i]) != 0)
			give_up("no thread");
	}
	pthread_barrier_wait(&all_ready);
	begun = now();
	for (size_t i = 0; i < connections; i++)
		pthread_join(sessions[i].thread, NULL);
	printf("{\"messages\": %zu, \"seconds\": %.6f}\n", messages, now() - begun);
	return EX_OK;
}
