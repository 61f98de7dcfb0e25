package bench.drop;

import org.springframework.data.redis.core.StringRedisTemplate;
import org.springframework.http.HttpStatus;
import org.springframework.web.bind.annotation.GetMapping;
import org.springframework.web.bind.annotation.PathVariable;
import org.springframework.web.bind.annotation.PostMapping;
import org.springframework.web.bind.annotation.RequestBody;
import org.springframework.web.bind.annotation.ResponseStatus;
import org.springframework.web.bind.annotation.RestController;

/**
 * The entrance as the Spring project had it: ZADD with the clock of the application, then ZRANK. Two calls of Redis a request, and a user who
 * asks again goes to the end.
 */
@RestController
class WaitingRoom {
  private final StringRedisTemplate redis;

  WaitingRoom(StringRedisTemplate redis) {
    this.redis = redis;
  }

  record Join(String userId) {}

  record Place(String userId, String state, long position) {}

  @ResponseStatus(HttpStatus.NOT_FOUND)
  static class NotFound extends RuntimeException {}

  @GetMapping("/health/ready")
  String ready() {
    return "ready";
  }

  @PostMapping("/campaigns/{id}/tickets")
  @ResponseStatus(HttpStatus.ACCEPTED)
  Place join(@PathVariable String id, @RequestBody Join join) {
    redis.opsForZSet().add(room(id), join.userId(), System.currentTimeMillis());
    return look(id, join.userId());
  }

  @GetMapping("/campaigns/{id}/tickets/{userId}")
  Place look(@PathVariable String id, @PathVariable String userId) {
    Long rank = redis.opsForZSet().rank(room(id), userId);
    if (rank == null) throw new NotFound();
    return new Place(userId, "waiting", rank + 1);
  }

  private static String room(String id) {
    return "spring:{" + id + "}:room";
  }
}
