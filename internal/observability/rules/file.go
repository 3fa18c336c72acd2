package rules

import (
	"bytes"

	"go.yaml.in/yaml/v3"
)

// Where the rules are checked in, from the root of the repository.
const (
	RecordingPath = "otel/prometheus/poolsql-rules.yml"
	AlertsPath    = "otel/prometheus/poolsql-alerts.yml"
)

// A File is a rule file of Prometheus.
type File struct {
	// Comment stands at its top.
	Comment string  `yaml:"-"`
	Groups  []Group `yaml:"groups"`
}

// A Group is evaluated at one instant, in its order.
type Group struct {
	Name  string `yaml:"name"`
	Rules []Rule `yaml:"rules"`
}

// A Rule makes a series (Record) or an alert (Alert) of an expression.
type Rule struct {
	Record      string            `yaml:"record,omitempty"`
	Alert       string            `yaml:"alert,omitempty"`
	Expr        string            `yaml:"expr"`
	For         string            `yaml:"for,omitempty"`
	Labels      map[string]string `yaml:"labels,omitempty"`
	Annotations map[string]string `yaml:"annotations,omitempty"`
}

// YAML returns the file's text.
func (f *File) YAML() ([]byte, error) {
	var b bytes.Buffer
	b.WriteString("# " + f.Comment + "\n")
	enc := yaml.NewEncoder(&b)
	enc.SetIndent(2)
	if err := enc.Encode(f); err != nil {
		return nil, err
	}
	err := enc.Close()
	return b.Bytes(), err
}
