/* Bodies in memory and, beyond a limit, in a file without a name. */
#include "spool.h"

#include "folder.h"
#include "random.h"
#include "testing.h"

struct reading {
	struct buffer text;
	size_t pieces_left; /* until it refuses one */
};

static bool take(void *context, size_t offset, const char *data, size_t length)
{
	struct reading *reading = context;

	assert_int_equal(offset, reading->text.length);
	assert_true(length > 0);
	buffer_append(&reading->text, data, length);
	return reading->pieces_left-- > 1;
}

/* What a spool gives back; the caller frees it. */
static struct buffer read_all(struct spool *spool)
{
	struct reading reading = {buffer_with_maximum((size_t)16 << 20), SIZE_MAX};
	struct problem why = {.text = ""};

	if (!spool_read(spool, take, &reading, &why))
		fail_msg("%s", why.text);
	return reading.text;
}

static void assert_holds(struct spool *spool, const char *text)
{
	struct buffer found = read_all(spool);

	assert_int_equal(spool->length, strlen(text));
	assert_int_equal(found.length, strlen(text));
	if (text[0])
		assert_string_equal(found.data, text);
	buffer_free(&found);
}

static void add(struct spool *spool, const char *text)
{
	struct problem why = {.text = ""};

	if (!spool_add(spool, text, strlen(text), &why))
		fail_msg("%s", why.text);
}

static int files_in(const struct folder *folder)
{
	DIR *entries = opendir(folder->path);
	const struct dirent *entry;
	int count = 0;

	while ((entry = readdir(entries)) != NULL)
		count += entry->d_name[0] != '.';
	closedir(entries);
	return count;
}

static void exactly_the_limit_stays_in_memory(void **state)
{
	const struct folder *folder = *state;
	struct spool spool = spool_new(8, folder->path);

	add(&spool, "0123");
	add(&spool, "4567");
	add(&spool, "");
	assert_int_equal(spool.file, -1);
	assert_holds(&spool, "01234567");
	add(&spool, "8");
	assert_int_not_equal(spool.file, -1);
	add(&spool, "9");
	assert_holds(&spool, "0123456789");
	spool_free(&spool);
}

static void reads_as_often_as_it_is_asked(void **state)
{
	const struct folder *folder = *state;
	struct spool spool = spool_new(4, folder->path);

	add(&spool, "abc");
	assert_holds(&spool, "abc");
	add(&spool, "def");
	assert_holds(&spool, "abcdef");
	assert_holds(&spool, "abcdef");
	add(&spool, "ghi");
	assert_holds(&spool, "abcdefghi");
	spool_free(&spool);
}

static void without_memory_everything_goes_to_the_file(void **state)
{
	const struct folder *folder = *state;
	struct spool spool = spool_new(0, folder->path);

	assert_holds(&spool, "");
	add(&spool, "a");
	assert_int_not_equal(spool.file, -1);
	assert_holds(&spool, "a");
	spool_free(&spool);
}

static void the_file_has_no_name(void **state)
{
	const struct folder *folder = *state;
	struct spool spool = spool_new(1, folder->path);

	add(&spool, "abc");
	assert_int_not_equal(spool.file, -1);
	assert_int_equal(files_in(folder), 0);
	spool_free(&spool);
}

static void can_be_used_again(void **state)
{
	const struct folder *folder = *state;
	struct spool spool = spool_new(4, folder->path);

	add(&spool, "abcdefgh");
	spool_clear(&spool);
	assert_holds(&spool, "");
	add(&spool, "abc");
	assert_int_equal(spool.file, -1);
	assert_holds(&spool, "abc");
	add(&spool, "defgh");
	assert_holds(&spool, "abcdefgh");
	spool_clear(&spool);
	assert_holds(&spool, "");
	spool_free(&spool);
	spool_free(&spool);
}

static void says_when_there_is_no_place_for_the_file(void **state)
{
	struct spool spool = spool_new(4, "/nonexistent/folder");
	struct problem why = {.text = ""};

	(void)state;
	assert_true(spool_add(&spool, "abcd", 4, &why));
	assert_false(spool_add(&spool, "e", 1, &why));
	assert_contains(why.text, "/nonexistent/folder");
	spool_free(&spool);
}

static void says_when_the_disk_is_full(void **state)
{
	const struct folder *folder = *state;
	struct spool spool = spool_new(1, folder->path);
	struct problem why = {.text = ""};
	FILE *full = fopen("/dev/full", "w");

	if (!full)
		skip();
	add(&spool, "abc");
	dup2(fileno(full), spool.file);
	fclose(full);
	assert_false(spool_add(&spool, "def", 3, &why));
	assert_contains(why.text, "cannot write");
	spool_free(&spool);
}

static void says_when_the_file_was_cut(void **state)
{
	const struct folder *folder = *state;
	struct spool spool = spool_new(1, folder->path);
	struct reading reading = {buffer_with_maximum(100), SIZE_MAX};
	struct problem why = {.text = ""};

	add(&spool, "abc");
	assert_int_equal(ftruncate(spool.file, 2), 0);
	assert_false(spool_read(&spool, take, &reading, &why));
	assert_contains(why.text, "cannot read");
	buffer_free(&reading.text);
	spool_free(&spool);
}

static void stops_when_a_piece_is_not_taken(void **state)
{
	const struct folder *folder = *state;
	char *text = text_of_length(300000, 'x');
	struct problem why = {.text = ""};

	for (size_t memory = 0; memory <= 400000; memory += 400000) {
		struct spool spool = spool_new(memory, folder->path);
		struct reading reading = {buffer_with_maximum(400000), 1};

		add(&spool, text);
		assert_false(spool_read(&spool, take, &reading, &why));
		assert_true(reading.text.length <= 300000);
		assert_contains(why.text, "not accepted");
		buffer_free(&reading.text);
		spool_free(&spool);
	}
	free(text);
}

static void what_goes_in_in_any_pieces_comes_out(void **state)
{
	const struct folder *folder = *state;
	uint64_t random = random_start();
	char *text = text_of_length(400000, 'x');

	for (size_t i = 0; i < 400000; i++)
		text[i] = (char)random_next(&random);
	for (int round = 0; round < 20; round++) {
		struct spool spool = spool_new(random_below(&random, 300000), folder->path);
		struct problem why = {.text = ""};
		struct buffer found;
		size_t length = 0;

		while (length < 400000) {
			size_t piece = 1 + random_below(&random, 90000);

			if (piece > 400000 - length)
				piece = 400000 - length;
			assert_true(spool_add(&spool, text + length, piece, &why));
			length += piece;
		}
		found = read_all(&spool);
		assert_int_equal(found.length, 400000);
		if (memcmp(found.data, text, 400000) != 0)
			fail_msg("CIM_SEED=%llu, round %d", (unsigned long long)random_seed(), round);
		buffer_free(&found);
		spool_free(&spool);
	}
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(exactly_the_limit_stays_in_memory),
		cmocka_unit_test(reads_as_often_as_it_is_asked),
		cmocka_unit_test(without_memory_everything_goes_to_the_file),
		cmocka_unit_test(the_file_has_no_name),
		cmocka_unit_test(can_be_used_again),
		cmocka_unit_test(says_when_there_is_no_place_for_the_file),
		cmocka_unit_test(says_when_the_disk_is_full),
		cmocka_unit_test(says_when_the_file_was_cut),
		cmocka_unit_test(stops_when_a_piece_is_not_taken),
		cmocka_unit_test(what_goes_in_in_any_pieces_comes_out),
	};

	return cmocka_run_group_tests_name("spool", tests, folder_setup, folder_teardown);
}
