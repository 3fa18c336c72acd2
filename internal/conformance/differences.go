package conformance

// PoolsqlDiffers are the differences between poolsql and pgx/stdlib by itself.
var PoolsqlDiffers = []Difference{}
