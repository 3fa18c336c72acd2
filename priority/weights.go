package priority

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
)

// Weights are the shares of tenants. In text they are pairs with commas between, such as "gold=4,free=0.5"; a comma, an
// equals sign, a space and a percent sign in a tenant's name are %2C, %3D, %20 and %25 there.
type Weights map[string]float64

var (
	escape   = strings.NewReplacer("%", "%25", ",", "%2C", "=", "%3D", " ", "%20")
	unescape = strings.NewReplacer("%25", "%", "%2C", ",", "%2c", ",", "%3D", "=", "%3d", "=", "%20", " ")
)

// Validate reports a weight that is none: it must be between 0.001 and 1,000, and no tenant without a name has one.
func (w Weights) Validate() error {
	for _, tenant := range slices.Sorted(maps.Keys(w)) {
		if tenant == "" {
			return fmt.Errorf("TenantWeights has one without a tenant")
		}
		if weight := w[tenant]; math.IsNaN(weight) || weight < 0.001 || weight > 1000 {
			return fmt.Errorf("TenantWeights has %v for %q: want between 0.001 and 1000", weight, tenant)
		}
	}
	return nil
}

// MarshalText implements [encoding.TextMarshaler].
func (w Weights) MarshalText() ([]byte, error) {
	var pairs []string
	for _, tenant := range slices.Sorted(maps.Keys(w)) {
		pairs = append(pairs, escape.Replace(tenant)+"="+strconv.FormatFloat(w[tenant], 'g', -1, 64))
	}
	return []byte(strings.Join(pairs, ",")), nil
}

// UnmarshalText implements [encoding.TextUnmarshaler]. The empty text is no weights.
func (w *Weights) UnmarshalText(text []byte) error {
	if strings.TrimSpace(string(text)) == "" {
		*w = nil
		return nil
	}
	read := make(Weights)
	for pair := range strings.SplitSeq(string(text), ",") {
		name, number, ok := strings.Cut(strings.TrimSpace(pair), "=")
		tenant := unescape.Replace(strings.TrimSpace(name))
		if !ok {
			return fmt.Errorf("priority: want weights such as gold=4,free=0.5")
		}
		weight, err := strconv.ParseFloat(strings.TrimSpace(number), 64)
		if _, twice := read[tenant]; err != nil || twice {
			return fmt.Errorf("priority: want weights such as gold=4,free=0.5, each tenant once")
		}
		read[tenant] = weight
	}
	if err := read.Validate(); err != nil {
		return fmt.Errorf("priority: %w", err)
	}
	*w = read
	return nil
}
