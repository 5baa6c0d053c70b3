using System.Collections.Concurrent;
using DistOpt.Actors.Tensors;

namespace DistOpt.Actors.Tests.Tensors;

public sealed class LentValuesTests
{
    [Fact]
    public void Nobody_begins_to_read_what_was_retired()
    {
        var values = new LentValues(new float[] { 1, 2 }, []);
        var lease = values.Lend();
        Assert.True(lease.TryRead());
        lease.EndRead();
        Assert.False(lease.IsOutOfDate);

        Assert.True(values.Retire());

        Assert.True(lease.IsOutOfDate);
        Assert.False(lease.TryRead());
    }

    [Fact]
    public void Memory_that_is_read_when_its_values_are_retired_is_free_once_the_last_reader_is_done()
    {
        var free = new ConcurrentBag<Memory<float>>();
        var values = new LentValues(new float[] { 1, 2 }, free);
        var (one, other) = (values.Lend(), values.Lend());
        Assert.True(one.TryRead() && other.TryRead());

        Assert.False(values.Retire());
        one.EndRead();
        Assert.Empty(free);
        other.EndRead();

        Assert.Equal(values.Memory, Assert.Single(free));
        Assert.False(one.TryRead());
    }

    [Fact]
    public void A_lease_of_memory_that_nobody_writes_is_never_out_of_date()
    {
        var lease = new TensorLease(new float[2]);
        Assert.True(lease.TryRead());
        lease.EndRead();
        Assert.False(lease.IsOutOfDate);
    }

    [Fact]
    public void Versions_alternate_between_two_memories_and_a_third_is_made_only_while_one_is_read()
    {
        var (versions, first, second) = (new LentVersions(), new float[2].AsMemory(), new float[2].AsMemory());
        var slow = versions.LendCurrent(first);
        Assert.True(slow.TryRead());
        Assert.Null(versions.Advance()); // the second memory was never lent: it becomes the current one
        versions.LendCurrent(second);
        // now the first one would be written to
        var other = versions.Advance();
        Assert.NotNull(other);
        Assert.NotEqual(first, other.Value);
        Assert.Equal(first.Length, other.Value.Length);

        slow.EndRead();
        // the second is read in its turn: the first one is free again, and nothing is made
        var late = versions.LendPrevious(second);
        Assert.True(late.TryRead());
        Assert.Equal(first, versions.Advance());
    }

    [Fact]
    public void Where_one_memory_holds_all_versions_another_is_taken_while_it_is_read()
    {
        var (versions, memory) = (new LentVersions(), new float[2].AsMemory());
        Assert.Null(versions.Overwrite());
        versions.LendCurrent(memory);
        Assert.Null(versions.Overwrite());
        var slow = versions.LendCurrent(memory);
        Assert.True(slow.TryRead());
        Assert.NotNull(versions.Overwrite());
        slow.EndRead();
    }
}
