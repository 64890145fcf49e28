/* base64, with the test vectors of RFC 4648, 10. */
#include "base64.h"

#include "random.h"
#include "testing.h"

static const struct {
	const char *data, *text;
} vectors[] = {
	{"", ""},
	{"f", "Zg=="},
	{"fo", "Zm8="},
	{"foo", "Zm9v"},
	{"foob", "Zm9vYg=="},
	{"fooba", "Zm9vYmE="},
	{"foobar", "Zm9vYmFy"},
};

static void encodes_and_decodes_the_vectors(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(vectors) / sizeof(vectors[0]); i++) {
		const size_t padded = strlen(vectors[i].text);
		struct buffer out = buffer_with_maximum(100);
		size_t bare = padded;

		base64_append_lines(&out, span_of_text(vectors[i].data));
		assert_int_equal(out.length, padded > 0 ? padded + 2 : 0);
		assert_memory_equal(buffer_span(&out).at, vectors[i].text, padded);
		/* Missing padding is forgiven, wholly or in part. */
		while (bare > 0 && vectors[i].text[bare - 1] == '=')
			bare--;
		for (size_t length = bare; length <= padded; length++) {
			buffer_clear(&out);
			assert_true(base64_decode((struct span){vectors[i].text, length}, &out));
			assert_span(buffer_span(&out), vectors[i].data);
		}
		buffer_free(&out);
	}
}

static void refuses_what_is_no_base64(void **state)
{
	static const struct span bad[] = {
		{"Z", 1},     {"Zm9vY", 5}, {"Zm9 v", 5},   {"Zm=v", 4}, {"Zm9-", 4},
		{"Zm9\n", 4}, {"Zm\0v", 4}, {"Zm9\xc3", 4}, {" Zm9", 4}, {"Zm9v\r\n", 6},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct buffer out = buffer_with_maximum(100);

		if (base64_decode(bad[i], &out))
			fail_msg("decoded number %zu", i);
		buffer_free(&out);
	}
}

static void lines_have_76_characters_and_come_back(void **state)
{
	uint64_t random = random_start();
	char data[300];

	(void)state;
	for (int run = 0; run < 1000; run++) {
		const size_t length = random_below(&random, sizeof(data));
		struct buffer lines = buffer_with_maximum(1000), back = buffer_with_maximum(1000);

		for (size_t i = 0; i < length; i++)
			data[i] = (char)random_next(&random);
		base64_append_lines(&lines, (struct span){data, length});
		for (struct span rest = buffer_span(&lines); rest.length > 0;) {
			const size_t line = rest.length > 78 ? 76 : rest.length - 2;

			assert_memory_equal(rest.at + line, "\r\n", 2);
			assert_true(base64_decode((struct span){rest.at, line}, &back));
			span_advance(&rest, line + 2);
		}
		if (!span_equals(buffer_span(&back), (struct span){data, length}))
			fail_msg("CIM_SEED=%llu, run %d", (unsigned long long)random_seed(), run);
		buffer_free(&lines);
		buffer_free(&back);
	}
}

static void says_when_it_did_not_fit(void **state)
{
	struct buffer out = buffer_with_maximum(2);

	(void)state;
	assert_true(base64_decode(span_of_text("Zm9v"), &out));
	assert_true(out.failed);
	buffer_free(&out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(encodes_and_decodes_the_vectors),
		cmocka_unit_test(refuses_what_is_no_base64),
		cmocka_unit_test(lines_have_76_characters_and_come_back),
		cmocka_unit_test(says_when_it_did_not_fit),
	};

	return cmocka_run_group_tests_name("base64", tests, NULL, NULL);
}
