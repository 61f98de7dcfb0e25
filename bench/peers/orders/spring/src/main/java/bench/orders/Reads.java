package bench.orders;

import java.util.List;
import org.springframework.data.domain.PageRequest;
import org.springframework.data.domain.Pageable;
import org.springframework.http.HttpStatus;
import org.springframework.transaction.annotation.Transactional;
import org.springframework.web.bind.annotation.GetMapping;
import org.springframework.web.bind.annotation.PathVariable;
import org.springframework.web.bind.annotation.ResponseStatus;
import org.springframework.web.bind.annotation.RestController;

@RestController
class Reads {
  private static final Pageable first = PageRequest.of(0, 20);
  private final OrderRepository orders;
  private final DocumentRepository documents;

  Reads(OrderRepository orders, DocumentRepository documents) {
    this.orders = orders;
    this.documents = documents;
  }

  @ResponseStatus(HttpStatus.NOT_FOUND)
  static class NotFound extends RuntimeException {}

  @GetMapping("/health/ready")
  String ready() {
    return "ready";
  }

  @Transactional(readOnly = true)
  @GetMapping("/jpa/orders/{id}")
  public View joined(@PathVariable long id) {
    return orders.read(id).map(View::of).orElseThrow(NotFound::new);
  }

  @Transactional(readOnly = true)
  @GetMapping("/jpa/customers/{id}/orders")
  public View.Page joinedPage(@PathVariable long id) {
    var ids = orders.idsOf(id, first);
    return new View.Page(ids.isEmpty() ? List.of() : orders.readAll(ids).stream().map(View::of).toList(), null);
  }

  @GetMapping("/mongodb/orders/{id}")
  public View document(@PathVariable String id) {
    return documents.findById(id).map(OrderDocument::view).orElseThrow(NotFound::new);
  }

  @GetMapping("/mongodb/customers/{id}/orders")
  public View.Page documentPage(@PathVariable String id) {
    return new View.Page(documents.of(id, first).stream().map(OrderDocument::view).toList(), null);
  }
}
