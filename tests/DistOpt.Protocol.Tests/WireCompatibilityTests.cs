using System.Buffers;
using System.Collections;
using System.Reflection;
using MessagePack;
using MessagePack.Resolvers;

namespace DistOpt.Protocol.Tests;

/// <summary>What nodes one minor version apart write is read by each other: whoever knows more fields writes them at the end.</summary>
public sealed class WireCompatibilityTests
{
    private static readonly MessagePackSerializerOptions Options = MessagePackSerializerOptions.Standard.WithResolver(StandardResolver.Instance);

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    private static readonly Type[] Contracts = [.. typeof(IWireMessage).Assembly.GetTypes()
        .Where(t => t.GetCustomAttribute<MessagePackObjectAttribute>() is not null).OrderBy(t => t.FullName, StringComparer.Ordinal)];

    public static TheoryData<string> Names() => [.. Contracts.Select(t => t.FullName!)];

    /// <summary>A newer version has added fields at the end, here and in every record within.</summary>
    [Theory]
    [MemberData(nameof(Names))]
    public void Fields_of_a_newer_version_are_passed_over(string name)
    {
        var type = Contract(name);
        object example = WireCodecTests.Example.Of(type, 1)!;
        byte[] written = MessagePackSerializer.Serialize(type, example, Options, Token);

        object? read = MessagePackSerializer.Deserialize(type, Rewrite(type, written, extra: true, drop: 0), Options, Token);

        Assert.Equal(WireCodecTests.Text(example), WireCodecTests.Text(read));
    }

    /// <summary>An older version ends earlier: what it does not write is null, 0 or empty, which must mean what was before the field was there.</summary>
    [Theory]
    [MemberData(nameof(Names))]
    public void Fields_that_an_older_version_does_not_write_are_left_at_nothing(string name)
    {
        var type = Contract(name);
        int fields = Keyed(type).Count;
        object example = WireCodecTests.Example.Of(type, 1)!;
        byte[] written = MessagePackSerializer.Serialize(type, example, Options, Token);
        for (int drop = 1; drop <= fields; drop++)
        {
            object? read = MessagePackSerializer.Deserialize(type, Rewrite(type, written, extra: false, drop), Options, Token);

            foreach (var (key, property) in Keyed(type))
            {
                object? value = property.GetValue(read);
                if (key < fields - drop) Assert.Equal(WireCodecTests.Text(property.GetValue(example)), WireCodecTests.Text(value));
                else Assert.True(IsNothing(value, property.PropertyType), $"{name}.{property.Name} is {value}");
            }
        }
    }

    /// <summary>
    /// The contracts of version 1.0. A line may get fields at its end, and lines may be added; whatever else changes is another major version, or
    /// another manifest beside the old one.
    /// </summary>
    [Fact]
    public void Contracts_only_grow_at_their_ends()
    {
        var now = Contracts.ToDictionary(t => t.FullName!["DistOpt.Protocol.".Length..], Shape);
        foreach (string line in File.ReadLines(Path.Combine(AppContext.BaseDirectory, "contracts-1.0.txt")).Where(l => l.Length > 0 && l[0] != '#'))
        {
            string[] parts = line.Split(':', 2, StringSplitOptions.TrimEntries);
            Assert.True(now.TryGetValue(parts[0], out string? shape), $"{parts[0]} is gone");
            bool isKept = parts[1].Length == 0 || shape == parts[1] || shape.StartsWith(parts[1] + ", ", StringComparison.Ordinal);
            Assert.True(isKept, $"{parts[0]} was ({parts[1]}), is ({shape})");
        }
        Assert.All(WireManifests.All.Values, type => Assert.Contains(type, Contracts));
    }

    private static string Shape(Type type) => string.Join(", ", Keyed(type).Select(p => $"{p.Property.Name} {NameOf(p.Property.PropertyType)}"));

    private static string NameOf(Type type) => Nullable.GetUnderlyingType(type) is { } inner ? NameOf(inner) + "?" : type.Name;

    private static Type Contract(string name) => Contracts.Single(t => t.FullName == name);

    private static bool IsNothing(object? value, Type type) => value switch
    {
        null => true,
        IEnumerable list => !list.Cast<object>().Any(),
        _ => value.Equals(Activator.CreateInstance(type)),
    };

    private static List<(int Key, PropertyInfo Property)> Keyed(Type type) => [.. type.GetProperties()
        .Select(p => (Key: p.GetCustomAttribute<KeyAttribute>()?.IntKey ?? -1, Property: p)).Where(p => p.Key >= 0).OrderBy(p => p.Key)];

    /// <summary>The same record with fields added to it and to all records within, or with its last ones dropped.</summary>
    private static byte[] Rewrite(Type type, byte[] bytes, bool extra, int drop)
    {
        var output = new ArrayBufferWriter<byte>();
        var writer = new MessagePackWriter(output);
        var reader = new MessagePackReader(bytes);
        Copy(type, ref reader, ref writer, extra, drop);
        writer.Flush();
        return output.WrittenSpan.ToArray();
    }

    private static void Copy(Type type, ref MessagePackReader reader, ref MessagePackWriter writer, bool extra, int drop)
    {
        type = Nullable.GetUnderlyingType(type) ?? type;
        bool isRecord = Contracts.Contains(type);
        if (reader.NextMessagePackType != MessagePackType.Array || !(isRecord || (type.IsArray && type != typeof(byte[]))))
        {
            writer.WriteRaw(reader.ReadRaw());
            return;
        }
        int count = reader.ReadArrayHeader();
        writer.WriteArrayHeader(isRecord ? count - drop + (extra ? 2 : 0) : count);
        var fields = isRecord ? Keyed(type) : [];
        for (int i = 0; i < count; i++)
        {
            if (isRecord && i >= count - drop) reader.Skip();
            else Copy(isRecord ? fields[i].Property.PropertyType : type.GetElementType()!, ref reader, ref writer, extra, 0);
        }
        if (!isRecord || !extra) return;
        writer.Write("of a newer version");
        writer.WriteArrayHeader(1);
        writer.Write(17);
    }
}
