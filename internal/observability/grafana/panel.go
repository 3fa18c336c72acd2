package grafana

// Columns is how wide a dashboard is.
const Columns = 24

// A GridPos is where a panel stands: a column is a 24th of the width, a row some 30 pixels.
type GridPos struct {
	H int `json:"h"`
	W int `json:"w"`
	X int `json:"x"`
	Y int `json:"y"`
}

// Overlaps reports whether two panels would stand on each other.
func (g GridPos) Overlaps(o GridPos) bool {
	return g.X < o.X+o.W && o.X < g.X+g.W && g.Y < o.Y+o.H && o.Y < g.Y+g.H
}

// A DataSource names one, possibly by a variable.
type DataSource struct {
	Type string `json:"type"`
	UID  string `json:"uid"`
}

// A Row is a heading, under which panels can be folded.
type Row struct {
	ID        int     `json:"id"`
	Type      string  `json:"type"`
	Title     string  `json:"title"`
	Collapsed bool    `json:"collapsed"`
	GridPos   GridPos `json:"gridPos"`
	Panels    []Panel `json:"panels"`
}

func (*Row) item() {}

// NewRow is a heading whose panels are unfolded: they stand below it, not in it.
func NewRow(id int, title string, y int) *Row {
	return &Row{ID: id, Type: "row", Title: title, GridPos: GridPos{H: 1, W: Columns, Y: y}, Panels: []Panel{}}
}

// A Panel shows something.
type Panel struct {
	ID          int          `json:"id"`
	Type        string       `json:"type"`
	Title       string       `json:"title"`
	Description string       `json:"description"`
	GridPos     GridPos      `json:"gridPos"`
	DataSource  *DataSource  `json:"datasource,omitempty"`
	Targets     []Target     `json:"targets,omitempty"`
	FieldConfig *FieldConfig `json:"fieldConfig,omitempty"`
	Options     any          `json:"options"`
}

func (*Panel) item() {}

// A Target is an expression whose result a panel shows.
type Target struct {
	RefID        string     `json:"refId"`
	DataSource   DataSource `json:"datasource"`
	EditorMode   string     `json:"editorMode"`
	Expr         string     `json:"expr"`
	LegendFormat string     `json:"legendFormat"`
	Range        bool       `json:"range"`
	Instant      bool       `json:"instant"`
	// Exemplar has the traces shown that the histogram of the expression knows.
	Exemplar bool   `json:"exemplar"`
	Format   string `json:"format"`
}

// A FieldConfig says how values are shown.
type FieldConfig struct {
	Defaults  Field      `json:"defaults"`
	Overrides []Override `json:"overrides"`
}

// A Field is how one series' values are shown.
type Field struct {
	Unit       string     `json:"unit"`
	Decimals   *int       `json:"decimals,omitempty"`
	Min        *float64   `json:"min,omitempty"`
	Max        *float64   `json:"max,omitempty"`
	NoValue    string     `json:"noValue,omitempty"`
	Color      Color      `json:"color"`
	Thresholds Thresholds `json:"thresholds"`
	Mappings   []any      `json:"mappings"`
	Custom     any        `json:"custom,omitempty"`
}

// A Color says where a series' color comes from.
type Color struct {
	Mode  string `json:"mode"`
	Fixed string `json:"fixedColor,omitempty"`
}

// Thresholds are the values from which on another color is used.
type Thresholds struct {
	Mode  string `json:"mode"`
	Steps []Step `json:"steps"`
}

// A Step is a color from a value on; the first has none.
type Step struct {
	Color string   `json:"color"`
	Value *float64 `json:"value"`
}

// An Override changes how some of the series are shown.
type Override struct {
	Matcher    Matcher    `json:"matcher"`
	Properties []Property `json:"properties"`
}

// A Matcher names the series of an [Override].
type Matcher struct {
	ID      string `json:"id"`
	Options string `json:"options"`
}

// A Property is one thing that an [Override] changes.
type Property struct {
	ID    string `json:"id"`
	Value any    `json:"value"`
}
