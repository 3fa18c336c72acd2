-- name: CreateAuthor :one
insert into authors (name, bio) values ($1, $2) returning *;

-- name: ListAuthors :many
select * from authors order by name;

-- name: RenameAuthor :execrows
update authors set name = $2 where id = $1;
