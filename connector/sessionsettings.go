package connector

import (
	"fmt"
	"regexp"
	"strings"

	pooldriver "github.com/poolsql/poolsql/driver"
)

// settingName matches names that need no quoting, in lower case: those of the server's own settings, and of custom ones,
// which have a period.
var settingName = regexp.MustCompile(`^[a-z_][a-z0-9_]*(\.[a-z_][a-z0-9_]*)*$`)

// ownedSettings are settings that poolsql keeps itself, or on which what it tells the server depends.
var ownedSettings = map[string]bool{
	"statement_timeout": true, "idle_in_transaction_session_timeout": true, "transaction_timeout": true, "client_encoding": true,
	"standard_conforming_strings": true, "datestyle": true, "intervalstyle": true, "timezone": true,
}

var carriedFrom = map[string]pooldriver.CarriedFrom{
	"tenant": pooldriver.FromTenant, "user": pooldriver.FromUser, "label": pooldriver.FromLabel,
}

func checkSessionSettings(cfg *Config) string {
	seen := make(map[string]bool)
	for i, text := range cfg.SessionSettings {
		name, from, ok := strings.Cut(text, "=")
		_, known := carriedFrom[from]
		switch {
		case !settingName.MatchString(name):
			return fmt.Sprintf("[%d] names no setting: want letters, digits and underscores, in lower case, with periods between", i)
		case ownedSettings[name]:
			return fmt.Sprintf("[%d] is %s, which poolsql or pgx relies upon", i, name)
		case !ok && !strings.Contains(name, "."):
			return fmt.Sprintf("[%d] is %s: a setting that calls set by themselves needs a period in its name, as it is emptied for the others", i, name)
		case ok && !known:
			return fmt.Sprintf("[%d]: %s can be set to the tenant, user or label", i, name)
		case ok && !strings.Contains(name, ".") && name != "application_name":
			return fmt.Sprintf("[%d] is %s: but for application_name a setting needs a period in its name", i, name)
		case seen[name]:
			return fmt.Sprintf("[%d]: %s is named twice", i, name)
		}
		seen[name] = true
	}
	return ""
}

// carried returns the settings that calls carry.
func (cfg *Config) carried() []pooldriver.Carried {
	if cfg.ConnConfig == nil {
		return nil
	}
	var list []pooldriver.Carried
	for _, text := range cfg.SessionSettings {
		name, from, _ := strings.Cut(text, "=")
		c := pooldriver.Carried{Name: name, From: carriedFrom[from]}
		if name == "application_name" {
			c.Default = cfg.ConnConfig.RuntimeParams[name]
		}
		list = append(list, c)
	}
	return list
}
