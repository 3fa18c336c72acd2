package connector

import (
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/poolsql/poolsql/internal/dsn"
)

// An other is a field of a [Config] that has no text form, as only a program can make its value.
type other struct {
	name, goName string
	// show returns what is shown of it, "" if it is not set.
	show func(*Config) string
	// source: it says what to connect to, so that a Config without it would be another one.
	source bool
	// pgx: it is for connections of pgx that poolsql opens itself.
	pgx bool
}

var others = []other{
	{name: "conn_config", goName: "ConnConfig", source: true, show: func(c *Config) string { return showConnConfig(c.ConnConfig) }},
	{name: "connector", goName: "Connector", source: true, show: func(c *Config) string { return showType(c.Connector) }},
	{name: "before_connect", goName: "BeforeConnect", pgx: true, show: func(c *Config) string { return showSet(c.BeforeConnect) }},
	{name: "after_connect", goName: "AfterConnect", pgx: true, show: func(c *Config) string { return showSet(c.AfterConnect) }},
	{name: "reset_session", goName: "ResetSession", pgx: true, show: func(c *Config) string { return showSet(c.ResetSession) }},
	{name: "should_ping", goName: "ShouldPing", pgx: true, show: func(c *Config) string { return showSet(c.ShouldPing) }},
	{name: "tracer", goName: "Tracer", show: func(c *Config) string { return showType(c.Tracer) }},
	{name: "comment", goName: "Comment", show: func(c *Config) string { return showSet(c.Comment) }},
	{name: "routes", goName: "Routes", show: func(c *Config) string { return showRoutes(c.Routes) }},
	{name: "observer", goName: "Observer", show: func(c *Config) string { return showType(c.Observer) }},
}

// showSet says that a function is set. Which one it is, is nothing that could be shown.
func showSet(function any) string {
	if reflect.ValueOf(function).IsNil() {
		return ""
	}
	return "set"
}

// showType returns the type of a value. The value may hold anything.
func showType(value any) string {
	if value == nil {
		return ""
	}
	return fmt.Sprintf("%T", value)
}

// showConnConfig returns what pgx connects to, as a DSN without its secrets.
func showConnConfig(cc *pgx.ConnConfig) string {
	if cc == nil {
		return ""
	}
	hosts, ports := []string{cc.Host}, []string{portText(cc.Port)}
	for _, f := range cc.Fallbacks { // where TLS is optional, each host is there with it and without
		last := len(hosts) - 1
		if port := portText(f.Port); hosts[last] != f.Host || ports[last] != port {
			hosts, ports = append(hosts, f.Host), append(ports, port)
		}
	}
	var params []dsn.Param
	add := func(key, value string) {
		if value != "" {
			params = append(params, dsn.Param{Key: key, Value: value})
		}
	}
	add("host", strings.Join(hosts, ","))
	add("port", strings.Join(ports, ","))
	add("user", cc.User)
	add("password", cc.Password)
	add("dbname", cc.Database)
	for _, key := range slices.Sorted(maps.Keys(cc.RuntimeParams)) {
		add(key, cc.RuntimeParams[key])
	}
	return showDSN(dsn.Keywords(params...))
}

func portText(port uint16) string { return strconv.Itoa(int(port)) }
