package bench.orders;

import java.util.List;
import java.util.Optional;
import org.springframework.data.domain.Pageable;
import org.springframework.data.jpa.repository.JpaRepository;
import org.springframework.data.jpa.repository.Query;

/** One query an order, and two a page: the ids, then everything about them. No query a line. */
interface OrderRepository extends JpaRepository<Model.PlacedOrder, Long> {
  String JOINS = "select o from PlacedOrder o join fetch o.user join fetch o.payments join fetch o.lines l"
      + " join fetch l.item i join fetch i.category ";

  @Query(JOINS + "where o.id = :id")
  Optional<Model.PlacedOrder> read(long id);

  @Query("select o.id from PlacedOrder o where o.user.id = :userId order by o.placedAt desc, o.id desc")
  List<Long> idsOf(long userId, Pageable page);

  @Query(JOINS + "where o.id in :ids order by o.placedAt desc, o.id desc")
  List<Model.PlacedOrder> readAll(List<Long> ids);
}
