/** One paragraph for who has to choose. */
export const advice = `**Stay with the index** as long as one order a request is fast enough and the read is one query: it costs no second copy, no lag and
nothing to rebuild, and the step from no index to an index is by far the largest here. **Denormalise into a table of the same database** when
reads are the load: a document by its primary key, and all readers of one moment answered by one query, is where the throughput comes from,
and it needs no further server; the price is the second copy and the lag shown above. **Take MongoDB** when the view is to grow past one
server (it shards by customer), when its documents are to be indexed and queried in ways that are not known yet, or when it runs already;
for reading orders by id it brings nothing that the document table does not, and its driver costs the server more CPU a request.`
