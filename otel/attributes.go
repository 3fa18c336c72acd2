package poolotel

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"go.opentelemetry.io/otel/attribute"

	"github.com/poolsql/poolsql/connector"
)

// attributes are what the series of one pool have in common.
type attributes struct {
	name      string
	pool      []attribute.KeyValue // of every series: what the user adds, and the pool's name
	operation []attribute.KeyValue // of those of operations: besides, what they ran on
}

func attributesOf(pool *connector.Connector, c *config) attributes {
	settings := pool.Config()
	name := c.poolName
	if name == "" {
		name = settings.Name
	}
	name = show(name)
	own := append(slices.Clone(c.attributes), attribute.String(keyPool, name))
	return attributes{
		name:      name,
		pool:      own,
		operation: append(serverOf(&settings), own...),
	}
}

// given are the keys that the user may say better than the configuration, or that are never taken from him.
var given = []string{keyPool, keySystem, keyNamespace, keyAddress, keyPort}

// checkAttributes reports the attributes of the user that tell series of one pool apart: of two series that differ in
// nothing else, a scrape has the first alone, and what is in the other is lost. In a scrape a dot is an underscore.
func checkAttributes(attributes []attribute.KeyValue) error {
	scraped := func(key string) string { return strings.ReplaceAll(key, ".", "_") }
	telling := map[string]bool{"le": true, "quantile": true} // Prometheus's own
	for _, m := range catalogue {
		for _, key := range m.Attributes {
			if !slices.Contains(given, key) {
				telling[scraped(key)] = true
			}
		}
	}
	var errs []error
	for _, kv := range attributes {
		if telling[scraped(string(kv.Key))] {
			errs = append(errs, fmt.Errorf("poolsql: cannot measure: WithAttributes has %q, which tells series of a pool apart: "+
				"give the attribute another name", kv.Key))
		}
	}
	return errors.Join(errs...)
}

// defaultPort is PostgreSQL's, which the conventions leave out.
const defaultPort = 5432

// serverOf returns what the configuration says of the server. It is not said which of several hosts serves, since that
// changes from connection to connection; the trace of an operation has its process.
func serverOf(settings *connector.Config) []attribute.KeyValue {
	pg := settings.ConnConfig
	if pg == nil {
		return []attribute.KeyValue{attribute.String(keySystem, "other_sql")}
	}
	kvs := []attribute.KeyValue{attribute.String(keySystem, "postgresql")}
	database := pg.Database
	if database == "" {
		database = pg.User // as the server has it
	}
	if database != "" {
		kvs = append(kvs, attribute.String(keyNamespace, show(database)))
	}
	for _, f := range pg.Fallbacks {
		if f.Host != pg.Host || f.Port != pg.Port {
			return kvs
		}
	}
	kvs = append(kvs, attribute.String(keyAddress, show(pg.Host)))
	if pg.Port != defaultPort {
		kvs = append(kvs, attribute.Int(keyPort, int(pg.Port)))
	}
	return kvs
}

// of returns the attributes of a series of the pool.
func (a *attributes) of(own ...attribute.KeyValue) attribute.Set {
	return attribute.NewSet(append(slices.Clone(a.pool), own...)...)
}

// ofLabel returns the attributes of a series of operations with this label, "" for none.
func (a *attributes) ofLabel(label string, own ...attribute.KeyValue) attribute.Set {
	kvs := slices.Clone(a.operation)
	if label != "" {
		kvs = append(kvs, attribute.String(keySummary, label))
	}
	return attribute.NewSet(append(kvs, own...)...)
}

// text is a pair of two texts.
func text(key, value string) attribute.KeyValue { return attribute.String(key, value) }
