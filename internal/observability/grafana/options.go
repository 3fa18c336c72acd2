package grafana

// This file has the options of each type of panel, and how its series are drawn where the type has that.

// TimeSeriesOptions are those of a panel "timeseries".
type TimeSeriesOptions struct {
	Legend  Legend  `json:"legend"`
	Tooltip Tooltip `json:"tooltip"`
}

// A Legend says what is told of each series, and where.
type Legend struct {
	ShowLegend  bool     `json:"showLegend"`
	DisplayMode string   `json:"displayMode"`
	Placement   string   `json:"placement"`
	Calcs       []string `json:"calcs"`
}

// A Tooltip says what is told under the pointer.
type Tooltip struct {
	Mode string `json:"mode"`
	Sort string `json:"sort"`
}

// A TimeSeriesField says how a series of a panel "timeseries" is drawn.
type TimeSeriesField struct {
	DrawStyle         string          `json:"drawStyle"`
	LineInterpolation string          `json:"lineInterpolation"`
	LineWidth         int             `json:"lineWidth"`
	FillOpacity       int             `json:"fillOpacity"`
	GradientMode      string          `json:"gradientMode"`
	ShowPoints        string          `json:"showPoints"`
	SpanNulls         bool            `json:"spanNulls"`
	AxisSoftMin       float64         `json:"axisSoftMin"`
	Stacking          Stacking        `json:"stacking"`
	ThresholdsStyle   ThresholdsStyle `json:"thresholdsStyle"`
}

// Stacking says whether series stand on each other: "none" or "normal".
type Stacking struct {
	Mode  string `json:"mode"`
	Group string `json:"group"`
}

// ThresholdsStyle says how thresholds are drawn: "off", "dashed".
type ThresholdsStyle struct {
	Mode string `json:"mode"`
}

// StatOptions are those of a panel "stat".
type StatOptions struct {
	ReduceOptions          Reduce `json:"reduceOptions"`
	Orientation            string `json:"orientation"`
	ColorMode              string `json:"colorMode"`
	GraphMode              string `json:"graphMode"`
	JustifyMode            string `json:"justifyMode"`
	TextMode               string `json:"textMode"`
	WideLayout             bool   `json:"wideLayout"`
	ShowPercentChange      bool   `json:"showPercentChange"`
	PercentChangeColorMode string `json:"percentChangeColorMode"`
}

// Reduce says how one number is made of a series.
type Reduce struct {
	Calcs  []string `json:"calcs"`
	Fields string   `json:"fields"`
	Values bool     `json:"values"`
}

// TextOptions are those of a panel "text".
type TextOptions struct {
	Mode    string `json:"mode"`
	Content string `json:"content"`
}

// HeatmapOptions are those of a panel "heatmap".
type HeatmapOptions struct {
	Calculate    bool             `json:"calculate"`
	CellGap      int              `json:"cellGap"`
	CellValues   HeatmapCells     `json:"cellValues"`
	Color        HeatmapColor     `json:"color"`
	Exemplars    HeatmapExemplars `json:"exemplars"`
	FilterValues HeatmapFilter    `json:"filterValues"`
	Legend       HeatmapLegend    `json:"legend"`
	RowsFrame    HeatmapRows      `json:"rowsFrame"`
	ShowValue    string           `json:"showValue"`
	Tooltip      HeatmapTooltip   `json:"tooltip"`
	YAxis        HeatmapAxis      `json:"yAxis"`
}

// HeatmapCells is the unit of what a cell counts.
type HeatmapCells struct {
	Unit string `json:"unit"`
}

// HeatmapColor is how many stands for which color.
type HeatmapColor struct {
	Mode     string  `json:"mode"`
	Scheme   string  `json:"scheme"`
	Scale    string  `json:"scale"`
	Exponent float64 `json:"exponent"`
	Fill     string  `json:"fill"`
	Reverse  bool    `json:"reverse"`
	Steps    int     `json:"steps"`
}

// HeatmapExemplars is the color in which traces are marked.
type HeatmapExemplars struct {
	Color string `json:"color"`
}

// HeatmapFilter hides cells below LE.
type HeatmapFilter struct {
	LE float64 `json:"le"`
}

// HeatmapLegend shows or hides the scale.
type HeatmapLegend struct {
	Show bool `json:"show"`
}

// HeatmapRows says what a bucket's bound is: of its upper end, "le", say.
type HeatmapRows struct {
	Layout string `json:"layout"`
}

// HeatmapTooltip says what is told under the pointer.
type HeatmapTooltip struct {
	Mode       string `json:"mode"`
	YHistogram bool   `json:"yHistogram"`
}

// HeatmapAxis is the axis of the buckets.
type HeatmapAxis struct {
	AxisPlacement string `json:"axisPlacement"`
	Unit          string `json:"unit"`
	Reverse       bool   `json:"reverse"`
}

// A HeatmapField says how the cells of a panel "heatmap" are laid out.
type HeatmapField struct {
	HideFrom          HideFrom          `json:"hideFrom"`
	ScaleDistribution ScaleDistribution `json:"scaleDistribution"`
}

// HideFrom hides a series.
type HideFrom struct {
	Legend  bool `json:"legend"`
	Tooltip bool `json:"tooltip"`
	Viz     bool `json:"viz"`
}

// A ScaleDistribution is "linear" or "log".
type ScaleDistribution struct {
	Type string `json:"type"`
}
