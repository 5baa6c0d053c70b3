using System.Collections;
using System.Reflection;
using MessagePack;

namespace DistOpt.Protocol.Tests;

public sealed class WireCodecTests
{
    public static TheoryData<string> Manifests() => [.. WireManifests.All.Keys];

    [Theory]
    [MemberData(nameof(Manifests))]
    public void Every_contract_survives_the_wire(string manifest)
    {
        var message = (IWireMessage)Example.Of(WireManifests.TypeOf(manifest)!, 1)!;

        var read = WireCodec.Deserialize(manifest, WireCodec.Serialize(message));

        Assert.Equal(manifest, WireCodec.Manifest(message));
        Assert.Equal(Text(message), Text(read));
    }

    [Fact]
    public void Every_message_type_of_the_assembly_stands_in_the_table_once()
    {
        var types = typeof(IWireMessage).Assembly.GetTypes().Where(t => t is { IsClass: true, IsAbstract: false } && t.IsAssignableTo(typeof(IWireMessage)));

        Assert.Equal(types.Order(ByName), WireManifests.All.Values.Order(ByName));
        Assert.All(WireManifests.All.Keys, name => Assert.Matches("^[a-z]+(-[a-z]+)*\\.[0-9]+$", name));
    }

    [Fact]
    public void Keys_are_numbered_from_zero_without_gaps()
    {
        foreach (var type in typeof(IWireMessage).Assembly.GetTypes().Where(t => t.GetCustomAttribute<MessagePackObjectAttribute>() is not null))
        {
            var keys = type.GetProperties().Select(p => p.GetCustomAttribute<KeyAttribute>()?.IntKey).Where(k => k is not null).Select(k => k!.Value).Order();
            Assert.True(keys.SequenceEqual(Enumerable.Range(0, keys.Count())), $"{type} has keys {string.Join(", ", keys)}");
        }
    }

    [Fact]
    public void A_manifest_that_is_not_in_the_table_is_refused()
    {
        var error = Assert.Throws<WireException>(() => WireCodec.Deserialize("System.Diagnostics.Process, System.Diagnostics.Process", new byte[3]));
        Assert.Contains("is not known", error.Message);
    }

    [Fact]
    public void A_type_that_is_not_in_the_table_is_not_written() => Assert.Throws<WireException>(() => WireCodec.Serialize(new Stranger()));

    /// <summary>Random, cut and changed bytes: either a contract or a <see cref="WireException"/>, never anything else.</summary>
    [Theory]
    [MemberData(nameof(Manifests))]
    public void Hostile_bytes_are_refused_and_nothing_worse(string manifest)
    {
        var random = new Random(7); // the test's own input, the same in every run
        byte[] valid = WireCodec.Serialize((IWireMessage)Example.Of(WireManifests.TypeOf(manifest)!, 2)!);
        for (int i = 0; i < 400; i++)
        {
            byte[] bytes = (i % 3) switch
            {
                0 => valid[..random.Next(valid.Length + 1)],
                1 => Mutated(valid, random),
                _ => Filled(random, random.Next(200)),
            };
            try
            {
                Assert.NotNull(WireCodec.Deserialize(manifest, bytes));
            }
            catch (WireException)
            {
                // the one way to say no
            }
        }
    }

    [Fact]
    public void Deep_nesting_is_refused()
    {
        byte[] bytes = [.. Enumerable.Repeat((byte)0x91, 10_000), 0xc0];

        Assert.Throws<WireException>(() => WireCodec.Deserialize("log-lines.1", bytes));
    }

    private static byte[] Mutated(byte[] valid, Random random)
    {
        byte[] copy = [.. valid];
        for (int i = 0; i < 1 + random.Next(4) && copy.Length > 0; i++) copy[random.Next(copy.Length)] = (byte)random.Next(256);
        return copy;
    }

    private static byte[] Filled(Random random, int length)
    {
        byte[] bytes = new byte[length];
        random.NextBytes(bytes);
        return bytes;
    }

    private static readonly Comparison<Type> Names = (a, b) => string.CompareOrdinal(a.FullName, b.FullName);

    private static IComparer<Type> ByName => Comparer<Type>.Create(Names);

    /// <summary>All values, arrays included, as text: records compare arrays by reference.</summary>
    internal static string Text(object? value) => value switch
    {
        null => "null",
        string s => $"'{s}'",
        IEnumerable list => "[" + string.Join(",", list.Cast<object?>().Select(Text)) + "]",
        _ when value.GetType().Namespace!.StartsWith("DistOpt.Protocol", StringComparison.Ordinal) =>
            value.GetType().Name + "{" + string.Join(",", value.GetType().GetProperties().Select(p => p.Name + "=" + Text(p.GetValue(value)))) + "}",
        _ => Convert.ToString(value, System.Globalization.CultureInfo.InvariantCulture)!,
    };

    private sealed record Stranger : IWireMessage;

    /// <summary>Makes a message with a different value in every field.</summary>
    internal static class Example
    {
        public static object? Of(Type type, int seed)
        {
            type = Nullable.GetUnderlyingType(type) ?? type;
            if (type == typeof(string)) return $"text {seed}";
            if (type == typeof(int)) return seed * 7;
            if (type == typeof(long)) return (1L << 40) + seed;
            if (type == typeof(double)) return seed + 0.1;
            if (type == typeof(bool)) return true;
            if (type == typeof(byte)) return (byte)seed;
            if (type.IsArray)
            {
                var array = Array.CreateInstance(type.GetElementType()!, 3);
                for (int i = 0; i < 3; i++) array.SetValue(Of(type.GetElementType()!, seed + i + 1), i);
                return array;
            }
            var constructor = type.GetConstructors().OrderByDescending(c => c.GetParameters().Length).First();
            int next = seed;
            object made = constructor.Invoke([.. constructor.GetParameters().Select(p => Of(p.ParameterType, ++next))]);
            foreach (var property in type.GetProperties().Where(p => p.CanWrite && p.GetCustomAttribute<KeyAttribute>() is not null))
            {
                if (property.GetValue(made) is null) property.SetValue(made, Of(property.PropertyType, ++next));
            }
            return made;
        }
    }
}
