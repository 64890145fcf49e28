/*
 * A ledger whose bytes have changed on the disk: each four bytes of the input are a place in the file
 * (three bytes, the most significant one first) and what is changed there (XOR). Whatever they are, a
 * calendar is found as it was written or not at all, what is read is text, and the file is opened, or
 * refused with a reason.
 */
#include "ledger_store.h"

#include "fuzz.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#define CALENDARS 8

static struct {
	char path[64];
	char *bytes;
	size_t size;
	unsigned long runs;
} ledger;

static const char calendar_text[] = "BEGIN:VCALENDAR\r\nMETHOD:CANCEL\r\nEND:VCALENDAR\r\n";

static void name_calendar(char id[32], int number)
{
	snprintf(id, 32, "invite-%d", number);
}

static struct ledger_key key_of(const char *id)
{
	return (struct ledger_key){"acme", id, "ann@example.com", "<1@acme.example>"};
}

static void remove_files(void)
{
	static const char *const tails[] = {"", "-wal", "-shm", "-journal"};
	char path[80];

	for (size_t i = 0; i < sizeof(tails) / sizeof(tails[0]); i++) {
		snprintf(path, sizeof(path), "%s%s", ledger.path, tails[i]);
		unlink(path);
	}
}

static void write_file(const char *bytes, size_t size)
{
	const int file = open(ledger.path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	must(file >= 0 && write(file, bytes, size) == (ssize_t)size);
	close(file);
}

static void fill(struct ledger_store *store)
{
	struct problem why = {.text = ""};

	must(ledger_store_begin(store, &why));
	for (int i = 0; i < CALENDARS; i++) {
		struct ledger_call call = {.lease = ledger_lease_new(1000)};
		char id[32];
		const struct ledger_key key = key_of(id);
		const struct record record = {.time = i, .texts = {[RECORD_INVITE] = id}};

		name_calendar(id, i);
		must(ledger_store_keep(store, &key, i + 1,
				       (struct span){calendar_text, strlen(calendar_text)}, &why));
		must(ledger_store_record(store, &record, &why));
		name_calendar(id, 100 + i);
		must(ledger_store_begin_call(store, &key, i, &call, &why) == LEDGER_BEGUN);
	}
	must(ledger_store_commit(store, &why));
}

/* The file that is damaged anew for each input; in memory, if there is such a place. */
static void make_ledger(void)
{
	struct problem why = {.text = ""};
	struct ledger_store *store;
	struct stat status;
	int file;

	snprintf(ledger.path, sizeof(ledger.path), "%s/cim-fuzz-ledger-%d",
		 access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp", (int)getpid());
	atexit(remove_files);
	store = ledger_store_open(ledger.path, LEDGER_STORE_CREATE, &why);
	must(store != NULL);
	fill(store);
	ledger_store_close(store);
	file = open(ledger.path, O_RDONLY | O_CLOEXEC);
	must(file >= 0 && fstat(file, &status) == 0);
	ledger.size = (size_t)status.st_size;
	ledger.bytes = malloc(ledger.size);
	must(ledger.bytes && read(file, ledger.bytes, ledger.size) == (ssize_t)ledger.size);
	close(file);
}

typedef enum ledger_found finder(struct ledger_store *store, const struct ledger_key *key,
				 struct buffer *calendar, struct problem *why);

static void look_for(struct ledger_store *store, finder *find, const struct ledger_key *key)
{
	struct buffer calendar = buffer_with_maximum((size_t)1024 * 1024);
	struct problem why = {.text = ""};
	const enum ledger_found found = find(store, key, &calendar, &why);

	if (found == LEDGER_FOUND)
		must(strcmp(calendar.data, calendar_text) == 0);
	else
		must(calendar.length == 0);
	if (found == LEDGER_FAILED)
		fuzz_check_problem(&why);
	buffer_free(&calendar);
}

static bool take_record(void *context, const struct record *record)
{
	size_t *records = context;

	for (int i = 0; i < RECORD_TEXTS; i++)
		must(record_text(record, (enum record_text)i) != NULL);
	return ++*records < 1000; /* pages that lead to themselves have no end */
}

static void take_count(void *context, const char *account, const char *result, long long count,
		       long long kept)
{
	(void)context;
	(void)count;
	(void)kept;
	must(account && result);
}

static void read_all(struct ledger_store *store)
{
	struct problem why = {.text = ""};
	size_t records = 0;
	long long newest;

	for (int i = 0; i < CALENDARS; i++) {
		char id[32];
		const struct ledger_key key = key_of(id);

		name_calendar(id, i);
		look_for(store, ledger_store_find_same, &key);
		look_for(store, ledger_store_find_latest, &key);
		ledger_store_count_same(store, &key, "cancelled", &why);
	}
	ledger_store_each_since(store, 0, take_record, &records, &why);
	ledger_store_each_about(store, "invite-1", take_record, &records, &why);
	ledger_store_count(store, 0, take_count, NULL, &why);
	ledger_store_newest(store, &newest, &why);
}

static void write_some(struct ledger_store *store)
{
	const struct ledger_key key = key_of("invite-1"), called = key_of("invite-101");
	struct ledger_call call = {.lease = ledger_lease_new(1000)};
	struct problem why = {.text = ""};

	if (ledger_store_begin(store, &why) &&
	    ledger_store_begin_call(store, &called, 1, &call, &why) != LEDGER_NOT_BEGUN &&
	    ledger_store_end_call(store, &called, &call.lease, false, &why) &&
	    ledger_store_keep(store, &key, 1, (struct span){calendar_text, strlen(calendar_text)},
			      &why))
		(void)!ledger_store_commit(store, &why);
	ledger_store_rollback(store);
	ledger_store_prune(store, 4, 100, &why);
}

static void use(enum ledger_store_mode mode)
{
	struct problem why = {.text = ""};
	struct ledger_store *store = ledger_store_open(ledger.path, mode, &why);

	if (!store) {
		fuzz_check_problem(&why);
		return;
	}
	if (mode != LEDGER_STORE_READ)
		write_some(store);
	read_all(store);
	ledger_store_close(store);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *damaged;

	if (!ledger.bytes)
		make_ledger();
	damaged = malloc(ledger.size);
	must(damaged != NULL);
	memcpy(damaged, ledger.bytes, ledger.size);
	for (size_t i = 0; i + 4 <= size; i += 4) {
		const size_t at = ((size_t)data[i] << 16 | (size_t)data[i + 1] << 8 | data[i + 2]) %
				  ledger.size;

		damaged[at] = (char)(damaged[at] ^ data[i + 3]);
	}
	remove_files();
	write_file(damaged, ledger.size);
	use(LEDGER_STORE_READ);
	if (ledger.runs++ % 4 == 0)
		use(LEDGER_STORE_EXISTING);
	free(damaged);
	return 0;
}
