package grafana

// A Variable is what the user of a dashboard chooses at its top.
type Variable struct {
	Name        string      `json:"name"`
	Label       string      `json:"label"`
	Description string      `json:"description"`
	Type        string      `json:"type"`
	Query       any         `json:"query"`
	DataSource  *DataSource `json:"datasource,omitempty"`
	Multi       bool        `json:"multi"`
	IncludeAll  bool        `json:"includeAll"`
	// AllValue is what "All" stands for in an expression; without it, an alternative of every value.
	AllValue string          `json:"allValue,omitempty"`
	Current  *VariableOption `json:"current,omitempty"`
	Refresh  Refresh         `json:"refresh"`
	Sort     Sort            `json:"sort"`
}

// Refresh says when a variable's values are read.
type Refresh int

// OnLoad is when the dashboard is opened, OnTimeRange whenever another time is looked at.
const (
	OnLoad      Refresh = 1
	OnTimeRange Refresh = 2
)

// Sort is the order of a variable's values.
type Sort int

// ByName is by the alphabet; zero is as they come.
const ByName Sort = 1

// A VariableOption is one value of a variable, or several.
type VariableOption struct {
	Selected bool `json:"selected"`
	Text     any  `json:"text"`
	Value    any  `json:"value"`
}

// A labelQuery asks Prometheus for the values of a label.
type labelQuery struct {
	QueryType int    `json:"qryType"`
	Query     string `json:"query"`
	RefID     string `json:"refId"`
}

// DataSourceVariable lets the user choose among the data sources of a type.
func DataSourceVariable(name, label, description, plugin string) Variable {
	return Variable{Name: name, Label: label, Description: description, Type: "datasource", Query: plugin, Refresh: OnLoad}
}

// LabelVariable lets the user choose among the values that query finds: a label_values of Prometheus. At first all are
// chosen.
func LabelVariable(name, label, description, query string, from DataSource) Variable {
	return Variable{
		Name: name, Label: label, Description: description, Type: "query", DataSource: &from,
		Query: labelQuery{QueryType: 1, Query: query, RefID: "PrometheusVariableQueryEditor-VariableQuery"},
		Multi: true, IncludeAll: true, AllValue: ".*", Refresh: OnTimeRange, Sort: ByName,
		Current: &VariableOption{Selected: true, Text: []string{"All"}, Value: []string{"$__all"}},
	}
}
