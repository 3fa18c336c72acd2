package connector_test

import (
	"encoding/json"
	"fmt"

	"github.com/poolsql/poolsql/connector"
)

func ExampleConfig_SetDSN() {
	cfg := connector.Config{MaxConns: 20, MinConns: 2}
	err := cfg.SetDSN("postgres://app:secret@localhost/shop?pool_max_conns=8&pool_acquire_timeout=5s")
	fmt.Println(cfg, err)
	err = cfg.SetDSN("postgres://app:secret@localhost/shop?pool_max_connections=8")
	fmt.Println(err)
	// Output:
	// {dsn=postgres://app:xxxxx@localhost/shop max_conns=8 min_conns=2 acquire_timeout=5s} <nil>
	// poolsql: bad DSN: pool_max_connections: there is no such pool parameter; did you mean pool_max_conns?
}

func ExampleConfig_UnmarshalJSON() {
	var settings struct {
		Port int              `json:"port"`
		Pool connector.Config `json:"pool"`
	}
	settings.Pool.MinConns = 2 // what the text does not say stays
	err := json.Unmarshal([]byte(`{"port": 80, "pool": {"dsn": "postgres://app@localhost/shop", "max_conn_lifetime": "none"}}`), &settings)
	fmt.Println(settings, err)
	// Output: {80 {dsn=postgres://app@localhost/shop min_conns=2 max_conn_lifetime=none}} <nil>
}
