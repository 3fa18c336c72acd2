package pooldriver

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"reflect"
)

// checkArgs converts the caller's arguments to what an inner driver other than pgx takes. database/sql would have done
// that before the operation, when there was no connection yet to ask, so it is done here, by the same rules: the
// statement's checker goes before the connection's; ErrRemoveArgument leaves an argument out; ErrSkip passes it on, to
// the statement's column converter if it has one, and at last to the default conversion.
func checkArgs(connChecker driver.NamedValueChecker, st driver.Stmt, args []driver.NamedValue) ([]driver.NamedValue, error) {
	want := -1
	check := connChecker
	var columns driver.ColumnConverter //nolint:staticcheck // drivers of that age still have it
	if st != nil {
		want = st.NumInput()
		if own, ok := st.(driver.NamedValueChecker); ok {
			check = own
		}
		columns, _ = st.(driver.ColumnConverter) //nolint:staticcheck // as above
	}
	checked := make([]driver.NamedValue, 0, len(args))
	for _, arg := range args {
		arg.Ordinal = len(checked) + 1
		err := checkArg(check, columns, want, &arg)
		if errors.Is(err, driver.ErrRemoveArgument) {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("sql: converting argument %s type: %w", nameOf(&arg), err)
		}
		checked = append(checked, arg)
	}
	if want != -1 && len(checked) != want {
		return nil, fmt.Errorf("sql: expected %d arguments, got %d", want, len(checked))
	}
	return checked, nil
}

// checkArg converts one argument.
func checkArg(check driver.NamedValueChecker, columns driver.ColumnConverter, want int, arg *driver.NamedValue) error { //nolint:staticcheck // as above
	if check != nil {
		if err := check.CheckNamedValue(arg); !errors.Is(err, driver.ErrSkip) {
			return err
		}
	}
	if columns != nil {
		if want >= 0 && arg.Ordinal > want {
			return nil // has no column; that there are too many is told when all are counted
		}
		return convertColumn(columns, arg)
	}
	value, err := driver.DefaultParameterConverter.ConvertValue(arg.Value)
	if err != nil {
		return err
	}
	arg.Value = value
	return nil
}

// convertColumn converts an argument by its column's converter. A Valuer is asked for its value first: the converter is
// the driver's, and knows only driver values.
func convertColumn(columns driver.ColumnConverter, arg *driver.NamedValue) error { //nolint:staticcheck // as above
	if valuer, ok := arg.Value.(driver.Valuer); ok {
		value, err := valueOf(valuer)
		if err != nil {
			return err
		}
		if !driver.IsValue(value) {
			return fmt.Errorf("non-subset type %T returned from Value", value)
		}
		arg.Value = value
	}
	value, err := columns.ColumnConverter(arg.Ordinal - 1).ConvertValue(arg.Value)
	if err != nil {
		return err
	}
	if !driver.IsValue(value) {
		return fmt.Errorf("driver ColumnConverter error converted %T to unsupported type %T", arg.Value, value)
	}
	arg.Value = value
	return nil
}

// valueOf asks a Valuer for its value. A nil pointer to a type that has the method itself cannot be asked, and is NULL.
func valueOf(v driver.Valuer) (driver.Value, error) {
	if p := reflect.ValueOf(v); p.Kind() == reflect.Pointer && p.IsNil() && p.Type().Elem().Implements(reflect.TypeFor[driver.Valuer]()) {
		return nil, nil
	}
	return v.Value()
}

func nameOf(arg *driver.NamedValue) string {
	if arg.Name != "" {
		return fmt.Sprintf("with name %q", arg.Name)
	}
	return fmt.Sprintf("$%d", arg.Ordinal)
}

// plainValues is args for a driver that takes neither names nor a context.
func plainValues(ctx context.Context, args []driver.NamedValue) ([]driver.Value, error) {
	values := make([]driver.Value, len(args))
	for i, arg := range args {
		if arg.Name != "" {
			return nil, errors.New("sql: driver does not support the use of Named Parameters")
		}
		values[i] = arg.Value
	}
	return values, ctx.Err()
}
