package dsn_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/poolsql/poolsql/internal/dsn"
)

func parse(t testing.TB, text string) *dsn.DSN {
	t.Helper()
	d, err := dsn.Parse(text)
	if err != nil {
		t.Fatalf("%q: %v", text, err)
	}
	return d
}

func isSecretOrPool(key string) bool { return dsn.Secret(key) || strings.HasPrefix(key, "pool_") }

func TestWithoutTakesOutParametersAndLeavesTheRestAsItIsWritten(t *testing.T) {
	for _, c := range []struct{ text, want string }{
		{"", ""},
		{"postgres://h", "postgres://h"},
		{"postgres://app:s3cr3t@h/shop", "postgres://app@h/shop"},
		{"postgres://:s3cr3t@h/shop", "postgres://@h/shop"},
		{"postgres://app:@h/shop", "postgres://app@h/shop"},
		{"postgresql://app:s?c@h1:1,[::1]:2/shop?", "postgresql://app@h1:1,[::1]:2/shop"},
		{"postgres://h/shop?sslmode=disable&", "postgres://h/shop?sslmode=disable&"},
		{"postgres://h/shop?pool_max_conns=1&sslmode=disable&password=x", "postgres://h/shop?sslmode=disable"},
		{"postgres://h/shop?pool%5Fmax_conns=1&pass%77ord=x", "postgres://h/shop"},
		{"host=h  password='s 3' dbname = shop", "host=h dbname = shop"},
		{"password=s3cr3t", ""},
		{`sslpassword=a\ b host=h pool_name=`, "host=h"},
		{"  host=h  ", "  host=h  "},
	} {
		if got := parse(t, c.text).Without(isSecretOrPool); got != c.want {
			t.Errorf("%q is %q, want %q", c.text, got, c.want)
		}
	}
}

func TestParamsAreDecodedAndInOrder(t *testing.T) {
	for text, want := range map[string]string{
		"postgres://a%20b:c%3a@h1:1,[::1],h2:2/d?user=e&x=%20": "[{user a b} {password c:} {host h1,::1,h2} {port 1,,2} {dbname d} {user e} {x  }]",
		"host='a\\' b' database=c user=d user=''":              "[{host a' b} {dbname c} {user d}]", // no user is no other one
		"postgres://": "[]",
	} {
		if got := fmt.Sprint(parse(t, text).Params()); got != want {
			t.Errorf("%q says %s, want %s", text, got, want)
		}
	}
}

func TestAmendHasTheLastWord(t *testing.T) {
	for _, text := range []string{
		"", "postgres://", "postgres://h", "postgres://app:s?c@h", "postgres://h/d?", "postgres://h/d?user=x", "postgres://h/d?user=x&",
		"host=h", "host=h user=", `host=h options=\`, `host='h' options=a\\`, "host=", "  ", "user='x' ",
	} {
		for _, value := range []string{"a", "", " a'b\\ ", "+=&?%@/"} {
			amended := parse(t, parse(t, text).Amend(dsn.Param{Key: "options", Value: value}))
			params := amended.Params()
			if got := params[len(params)-1]; got.Key != "options" || got.Value != value {
				t.Errorf("%q with %q ends with %q", text, value, got)
			}
			isOptions := func(p dsn.Param) bool { return p.Key == "options" }
			before := slices.DeleteFunc(parse(t, text).Params(), isOptions)
			if got := slices.DeleteFunc(params, isOptions); !slices.Equal(got, before) {
				t.Errorf("%q with %q says %q beside, want %q", text, value, got, before)
			}
		}
		if got := parse(t, text).Amend(); got != text {
			t.Errorf("%q amended by nothing is %q", text, got)
		}
	}
}

func TestShowHidesSecretsAndWhatMayBeOne(t *testing.T) {
	show := func(key, value string) (string, bool) { return strings.ToUpper(value), key == "pool_name" }
	for _, c := range []struct{ text, want string }{
		{"postgres://app:s3cr3t@h:5432/shop?sslmode=disable", "postgres://app:xxxxx@h:5432/shop?sslmode=disable"},
		{"postgres://app:a:b%40@h/shop?sslpassword=x&search_path=a,b", "postgres://app:xxxxx@h/shop?sslpassword=xxxxx&search_path=a,b"},
		{"postgres://h/shop?pass%77ord=x", "postgres://h/shop?password=xxxxx"},
		{"postgres://app@h/shop?pool_name=x&app.token=y", "postgres://app@h/shop?pool_name=X&…=xxxxx"},
		{"postgres://app@h/shop?options=-c%20app.token%3Dx", "postgres://app@h/shop?options=xxxxx"},
		{"postgres://app:s3@cr3t@h/shop", "postgres://…"},
		{"postgres://app:s3/cr3t@h/shop", "postgres://…"},
		{"postgres://app:12/cr3t@h/shop", "postgres://…"},
		{"postgres://app:12?cr3t@h/shop", "postgres://…"},
		{"postgres://h:1?password=cr@3t", "postgres://…"},
		{"postgres://h?password=cr@3t", "postgres://…"},
		{"postgres://app:s3cr3t", "postgres://…"},
		{"postgres://password=s3cr3t", "postgres://…"},
		{"host=h password=s3cr3t user='a b' dbname=''", "host=h password=xxxxx user='a b' dbname=''"},
		{"host=h password=s3 cr3t=x", "host=h password=xxxxx …=xxxxx"},
		{"host= password=s3cr3t", "host=xxxxx"},
		{"user=app@azure", "user=app@azure"},
		{"dbname=postgres://app:s3cr3t@h", "dbname=xxxxx"},
		{"mysql://app:s3cr3t@h?a=b", "…=xxxxx"},
		{"options=x", "options=xxxxx"},
		{"PASSWORD=x", "PASSWORD=xxxxx"},
		{"", ""},
	} {
		if got := parse(t, c.text).Show(show); got != c.want {
			t.Errorf("%q shows as %q, want %q", c.text, got, c.want)
		}
	}
	if got := parse(t, "pool_name=x host=h").Show(nil); got != "…=xxxxx host=h" {
		t.Errorf("without anybody to ask: %q", got)
	}
}

func TestPublicFailsWhereASecretMayBeLeft(t *testing.T) {
	own := func(key string) bool { return key == "pool_name" }
	for text, want := range map[string]string{
		"postgres://app:x@h/shop?password=x&pool_name=a": "postgres://app@h/shop?pool_name=a",
		"host=h password=x options='-c a.b=c'":           "host=h options='-c a.b=c'",
		"host=h":                                         "host=h",
	} {
		if got, err := parse(t, text).Public(own); got != want || err != nil {
			t.Errorf("%q is %q, %v; want %q", text, got, err, want)
		}
	}
	for _, text := range []string{"postgres://app:s/3@h", "host= password=s3", "password=s 3==", "host=h app.token=s3", "pool_nam=s3"} {
		if got, err := parse(t, text).Public(own); err == nil || got != "" || strings.Contains(err.Error(), "s3") {
			t.Errorf("%q is %q, %v; want an error", text, got, err)
		}
	}
}

func TestParseSaysWhatIsWrongAndShowsNothing(t *testing.T) {
	for text, want := range map[string]string{
		"postgres://s3:s3@[::1/s3":         "no ]",
		"postgres://s3:s3@[]/s3":           "between the [ and ]",
		"postgres://s3:s3@[::1]s3/s3":      "follows the ]",
		"postgres://s3%zz@h":               "the user: there is a %",
		"postgres://s3:s3%0@h":             "the password: there is a %",
		"postgres://s3:s 3@h":              "the password: there is a space",
		"postgres://h%00s3":                "the host: there is %00",
		"postgres://h:s3%/":                "the port: ",
		"postgres://h/s3%":                 "the database: ",
		"postgres://h/d?s3":                "parameter 1 of its query has no =",
		"postgres://h/d?a=b&s3=s3=s3":      "parameter 2 of its query has a second =",
		"postgres://h/d?s3%=s3":            "the name of parameter 1",
		"postgres://h/d?s3=s3%":            "parameter 1 of its query: there is a %",
		"postgres://h\x00s3":               "a zero byte",
		"host=s3 s3":                       "parameter 2 has no =",
		"host=s3 s3 s3=s3":                 "parameter 2 has a space in its name",
		"host=s3 =s3":                      "parameter 2 has no name",
		"host='s3 password=s3":             "the quotation mark of its parameter 1",
		`host=h password='s3\`:             "the quotation mark of its parameter 2",
		"app:s3@localhost:5432/s3":         "parameter 1 has no =",
		"host=h password=s3 s3 sslmode=s3": "parameter 3 has a space in its name",
	} {
		_, err := dsn.Parse(text)
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "s3") {
			t.Errorf("%q: %v, want %q", text, err, want)
		}
	}
}
