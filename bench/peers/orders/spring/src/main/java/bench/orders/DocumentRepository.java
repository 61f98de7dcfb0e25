package bench.orders;

import java.util.List;
import org.springframework.data.domain.Pageable;
import org.springframework.data.mongodb.repository.MongoRepository;
import org.springframework.data.mongodb.repository.Query;

interface DocumentRepository extends MongoRepository<OrderDocument, String> {
  @Query(value = "{ 'customer.id': ?0 }", sort = "{ 'placedAt': -1, '_id': -1 }")
  List<OrderDocument> of(String customerId, Pageable page);
}
