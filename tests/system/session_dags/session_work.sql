SELECT count(*) AS n, max(id) AS last FROM numbers WHERE '{{ ds_nodash | default('x') }}' <> ';'
