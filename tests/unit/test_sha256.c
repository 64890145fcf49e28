/* The secure hash, against the examples that its makers give. */
#include "sha256.h"

#include "testing.h"

static void assert_hash(const char *text, size_t length, size_t piece, const char *expected)
{
	struct sha256 hash = sha256_new();
	char out[SHA256_HEX_LENGTH + 1];

	for (size_t at = 0; at < length; at += piece)
		sha256_add(&hash, text + at, length - at < piece ? length - at : piece);
	sha256_end_hex(&hash, out);
	assert_string_equal(out, expected);
}

/* FIPS 180-4's examples (NIST, "Examples with Intermediate Values"), and the empty text. */
static void hashes_as_the_standard_says(void **state)
{
	char *million = text_of_length(1000000, 'a');

	(void)state;
	assert_hash("", 0, 1, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
	assert_hash("abc", 3, 3,
		    "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
	assert_hash("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq", 56, 56,
		    "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
	assert_hash(million, 1000000, 997,
		    "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
	free(million);
}

static void pieces_make_no_difference_at_any_length(void **state)
{
	char *text = text_of_length(200, 'x');

	(void)state;
	for (size_t length = 0; length < 200; length++) {
		struct sha256 whole = sha256_new(), pieces = sha256_new();
		unsigned char a[SHA256_LENGTH], b[SHA256_LENGTH];

		sha256_add(&whole, text, length);
		for (size_t i = 0; i < length; i++)
			sha256_add(&pieces, text + i, 1);
		sha256_end(&whole, a);
		sha256_end(&pieces, b);
		assert_memory_equal(a, b, sizeof(a));
	}
	free(text);
}

static void texts_do_not_run_into_each_other(void **state)
{
	struct sha256 one = sha256_new(), other = sha256_new();
	char a[SHA256_HEX_LENGTH + 1], b[SHA256_HEX_LENGTH + 1];

	(void)state;
	sha256_add_text(&one, "a");
	sha256_add_text(&one, "bc");
	sha256_add_text(&other, "ab");
	sha256_add_text(&other, "c");
	sha256_end_hex(&one, a);
	sha256_end_hex(&other, b);
	assert_string_not_equal(a, b);
}

static void leaves_nothing_behind(void **state)
{
	const struct sha256 nothing = {{0}, 0, {0}};
	struct sha256 hash = sha256_new();
	unsigned char out[SHA256_LENGTH];

	(void)state;
	sha256_add_text(&hash, "CRN_secret");
	sha256_end(&hash, out);
	assert_memory_equal(&hash, &nothing, sizeof(hash));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(hashes_as_the_standard_says),
		cmocka_unit_test(pieces_make_no_difference_at_any_length),
		cmocka_unit_test(texts_do_not_run_into_each_other),
		cmocka_unit_test(leaves_nothing_behind),
	};

	return cmocka_run_group_tests_name("sha256", tests, NULL, NULL);
}
