// Package rules makes poolsql's recording and alert rules for Prometheus.
//
// Every rule is by job, instance and pool, because each process has pools of its own, and one that is full says nothing of the
// others; only what the database does to all of them is by job and pool. Who has many instances lets the Alertmanager group
// by alertname, job and db_client_connection_pool_name, and is told once.
//
// All times go through a [Scale], so that a test can make the same rules with days in minutes.
package rules
